package backingtest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/effectlock/effectlock/backing/memory"
)

func TestTmpModelOnBroken(t *testing.T) {
	k, _ := newKit(nil)
	for _, b := range brokenBackings {
		start := time.Now()
		quotes := map[string]int{}
		var example string
		for i := range 150 {
			script := scripts.Example(i)
			var message string
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				message = failure(func(r reporter) {
					p := newProbe(r, b.make(m), k)
					m := p.follows(script)
					if m == "" && i < 50 {
						m = p.crowds(i)
					}
					if m != "" {
						r.Fatalf("%s", m)
					}
				})
			})
			if message != "" {
				s, _, _ := strings.Cut(message, "\n")
				quotes[s]++
				example = message
			}
		}
		var want []string
		for _, r := range b.breaks {
			want = append(want, r.String())
		}
		verdict := "OK"
		if len(quotes) == 0 {
			verdict = "NOT FOUND"
		}
		for q := range quotes {
			found := false
			for _, w := range want {
				found = found || strings.Contains(q, w)
			}
			if !found {
				verdict = "OTHER"
			}
		}
		t.Logf("%s: %s (%v)", verdict, b.name, time.Since(start))
		if verdict == "OTHER" {
			for q, n := range quotes {
				t.Logf("      %d %s", n, q)
			}
			t.Log(example)
		}
	}
}
