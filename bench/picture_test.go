package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPictureIsXMLAndStaysInsideItsFrame(t *testing.T) {
	t.Parallel()
	d := xml.NewDecoder(strings.NewReader(picture(measured())))
	points := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		element, ok := token.(xml.StartElement)
		if !ok || element.Name.Local != "circle" {
			continue
		}
		points++
		for _, a := range element.Attr {
			v, err := strconv.ParseFloat(a.Value, 64)
			switch a.Name.Local {
			case "cx":
				require.NoError(t, err)
				assert.True(t, 70 <= v && v <= 960, "cx=%v", v)
			case "cy":
				require.NoError(t, err)
				assert.True(t, panelTop <= v && v <= panelBottom, "cy=%v", v)
			}
		}
	}
	assert.Equal(t, 2*(2+1), points, "in each panel: both cases of raw, and the one of ours that most rounds have")
}

func TestPictureTellsWhoHasNoFigures(t *testing.T) {
	t.Parallel()
	r := measured()
	assert.Contains(t, picture(r), ">✕ hardly ever<", "silent has no line")
	assert.Contains(t, picture(r), ">effectlock<")
	assert.Contains(t, picture(r), "hardly ever at 1,000", "two rounds of three were stuck")

	r.outcomes[spot{ours, 1000}] = r.outcomes[spot{ours, 2}]
	assert.NotContains(t, picture(r), "hardly ever at")
}

func TestPictureOfNothingIsStillAPicture(t *testing.T) {
	t.Parallel()
	r := measured()
	r.outcomes = nil
	assert.NoError(t, xml.Unmarshal([]byte(picture(r)), new(struct{ XMLName xml.Name })))
}
