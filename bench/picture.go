package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// picture draws W3: time and requests per handoff against the number of
// goroutines, both on logarithmic scales. It is written by hand because no
// plotting library is worth its weight for two panels of lines.
func picture(r result) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" fill="#222">`+"\n", pictureWidth, pictureHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", pictureWidth, pictureHeight)
	panels := []panel{
		{left: 70, title: "time per handoff to another goroutine", figure: "time/handoff", format: duration},
		{left: 560, title: "requests per handoff to another goroutine", figure: "requests/handoff", format: plain},
	}
	for _, p := range panels {
		p.draw(&b, r)
	}
	for i, p := range r.peers {
		x := 70 + i*900/len(r.peers)
		fmt.Fprintf(&b, `<path d="M%d 462h26" stroke="%s" stroke-width="%s"/><text x="%d" y="466">%s</text>`+"\n", x, colour(i), stroke(p.name), x+32, p.name)
		if !r.drawn(p.name) {
			fmt.Fprintf(&b, `<text x="%d" y="482" font-size="11">✕ hardly ever</text>`+"\n", x+32)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// drawn reports whether a peer has a line at all.
func (r result) drawn(peer string) bool {
	return slices.ContainsFunc(r.plan.cases, func(n int) bool { return r.usual(peer, n, "time/handoff") > 0 })
}

const (
	pictureWidth, pictureHeight = 1000, 500
	panelTop, panelBottom       = 50, 390
	panelWidth                  = 400
)

// Okabe and Ito's palette, which colour-blind readers can tell apart; the last
// peers, which are ours, have the most striking ones.
var palette = []string{"#000000", "#999999", "#0072b2", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#e69f00"}

func colour(i int) string { return palette[i%len(palette)] }

func stroke(name string) string {
	if strings.HasPrefix(name, ours) {
		return "4"
	}
	return "2"
}

// panel is one diagram.
type panel struct {
	left          int
	title, figure string
	format        func(float64) string
}

func (p panel) draw(b *strings.Builder, r result) {
	low, high := p.decades(r)
	cases := r.plan.cases
	x := func(n int) float64 {
		first, last := math.Log(float64(cases[0])), math.Log(float64(cases[len(cases)-1]))
		return float64(p.left) + panelWidth*(math.Log(float64(n))-first)/math.Max(last-first, 1)
	}
	y := func(v float64) float64 {
		return panelBottom - (panelBottom-panelTop)*(math.Log10(v)-float64(low))/float64(high-low)
	}
	fmt.Fprintf(b, `<text x="%d" y="28" font-size="16" font-weight="600">%s</text>`+"\n", p.left, p.title)
	for decade := low; decade <= high; decade++ {
		v := math.Pow10(decade)
		fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			p.left, y(v), panelWidth, p.left-8, y(v)+4, p.format(v))
	}
	for _, n := range cases {
		fmt.Fprintf(b, `<path d="M%.1f %dv%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x(n), panelTop, panelBottom-panelTop, x(n), panelBottom+20, whole(float64(n)))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">goroutines that want the lock</text>`+"\n", p.left+panelWidth/2, panelBottom+42)
	for i, peer := range r.peers {
		p.line(b, r, peer.name, colour(i), x, y)
	}
}

// line draws one peer. Where most rounds have no figure, because the peer was stuck
// or never handed the lock over, the line ends with a cross.
func (p panel) line(b *strings.Builder, r result, peer, colour string, x func(int) float64, y func(float64) float64) {
	var path, marks strings.Builder
	lastX, lastY, command := 0.0, 0.0, "M"
	for _, n := range r.plan.cases {
		v := r.usual(peer, n, p.figure)
		if math.IsNaN(v) {
			if command == "L" {
				fmt.Fprintf(&marks, `<text x="%.1f" y="%.1f" fill="%s">✕ hardly ever at %s</text>`+"\n", lastX+8, lastY-8, colour, whole(float64(n)))
			}
			command = "M"
			continue
		}
		lastX, lastY = x(n), y(v)
		fmt.Fprintf(&path, "%s%.1f %.1f", command, lastX, lastY)
		fmt.Fprintf(&marks, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"><title>%s, %d: %s</title></circle>`+"\n",
			lastX, lastY, colour, peer, n, p.format(v))
		command = "L"
	}
	if path.Len() > 0 {
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="%s"/>`+"\n%s", path.String(), colour, stroke(peer), marks.String())
	}
}

// duration and plain label an axis from fractions to thousands.
func duration(v float64) string {
	return time.Duration(math.Round(v * float64(time.Second))).String()
}

func plain(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return whole(v)
}

// decades returns the powers of ten between which all figures lie.
func (p panel) decades(r result) (low, high int) {
	least, most := math.Inf(1), math.Inf(-1)
	for _, peer := range r.peers {
		for _, n := range r.plan.cases {
			if v := r.usual(peer.name, n, p.figure); v > 0 {
				least, most = math.Min(least, v), math.Max(most, v)
			}
		}
	}
	if least > most {
		return 0, 1
	}
	low, high = int(math.Floor(math.Log10(least))), int(math.Ceil(math.Log10(most)))
	return low, max(high, low+1)
}
