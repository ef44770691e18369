package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// The tables are between these lines of a document.
const (
	boundsBegin = "<!-- bounds: cd bench && go run ./hazards -bounds ../docs/guarantees.md -->\n"
	boundsEnd   = "<!-- bounds end -->\n"
)

// between returns the text from boundsBegin to boundsEnd, and the text around it.
func between(document string) (before, text, after string, err error) {
	before, rest, begun := strings.Cut(document, boundsBegin)
	text, after, ended := strings.Cut(rest, boundsEnd)
	if !begun || !ended {
		return "", "", "", fmt.Errorf("no line %q with %q after it", strings.TrimSpace(boundsBegin), strings.TrimSpace(boundsEnd))
	}
	return before, text, after, nil
}

// writeInto writes the tables into the file of that name.
func (s surveyed) writeInto(ctx context.Context, name string) error {
	document, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, _, after, err := between(string(document))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(before+boundsBegin+s.text(ctx)+boundsEnd+after), 0o600)
}

func (s surveyed) text(ctx context.Context) string {
	var w strings.Builder
	fmt.Fprintf(&w, "\n%s, %s. Leases of %s. Each figure is the longest of %d calls; a call was abandoned after %s. In the same run, a plain timer was at most %s late.\n",
		time.Now().UTC().Format(time.DateOnly), strings.Join(versions(ctx), ", "), plain(long), repeats, plain(s.cutOff), length(s.late))
	fmt.Fprintf(&w, "\nWith the default timeouts of the client:\n\n%s", s.table(false))
	fmt.Fprintf(&w, "\nWith short timeouts: go-redis with `DialTimeout`, `ReadTimeout` and `WriteTimeout` of %s, `MaxRetries: -1` and `DialerRetries: 1`; rueidis with `Dialer.Timeout` and `ConnWriteTimeout` of %[1]s and `DisableRetry: true`:\n\n%s\n",
		plain(impatience), s.table(true))
	return w.String()
}

// table has a row for each fault and call, and a column for each library.
func (s surveyed) table(impatient bool) string {
	var w strings.Builder
	w.WriteString("| the store | call |")
	for _, l := range s.libraries {
		fmt.Fprintf(&w, " %s |", l.name)
	}
	fmt.Fprintf(&w, "\n| --- | --- |%s\n", strings.Repeat(" --- |", len(s.libraries)))
	for _, f := range s.faults {
		for i, c := range calls {
			text := f.text
			if i > 0 {
				text = ""
			}
			fmt.Fprintf(&w, "| %s | %s |", text, c.name)
			for _, l := range s.libraries {
				fmt.Fprintf(&w, " %s |", s.cell(f, c, l, impatient))
			}
			w.WriteString("\n")
		}
	}
	return w.String()
}

// cell returns a figure for each deadline.
func (s surveyed) cell(f fault, c call, l library, impatient bool) string {
	var all []string
	for _, within := range s.within(c, l) {
		all = append(all, s.figures[spot{f.text, c.name, l.name, impatient, within}].text(within, s.cutOff))
	}
	if all == nil {
		return nothing
	}
	return strings.Join(all, " · ")
}

// grace is how much later than its deadline a call may end.
const grace = 200 * time.Millisecond

// text returns the figure in bold if a deadline was not kept.
func (f figure) text(within, cutOff time.Duration) string {
	if f.failed != nil {
		return fmt.Sprintf("**failed**: %v", f.failed)
	}
	text := length(f.longest)
	if f.endless {
		text = "> " + plain(cutOff)
	}
	if within > 0 && (f.endless || f.longest > within+grace) {
		text = "**" + text + "**"
	}
	if f.left {
		text += "†"
	}
	return text
}

// length formats a measured duration, rounded up.
func length(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", (d+time.Millisecond-1)/time.Millisecond)
	}
	return fmt.Sprintf("%.1f s", math.Ceil(d.Seconds()*10)/10)
}

// plain formats a chosen duration, such as a deadline.
func plain(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
