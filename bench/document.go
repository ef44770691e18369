package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// document is the report: one table for each workload and case, and the targets.
func document(f facts, results []result) string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	b.WriteString("<!-- Written by `" + f.command + "`: change the program, not this file. -->\n\n")
	b.WriteString("This page compares the cost of effectlock with that of other Redis locks for Go, on one server and one machine. " +
		"Compare the columns \"of raw\" within one run: they are multiples of `raw`, the least that a lock on go-redis can cost. " +
		"Absolute figures do not apply to another machine, or to another run.\n\n")
	f.write(&b)
	if slices.ContainsFunc(results, func(r result) bool { return r.workload.name == "W3" }) {
		b.WriteString("\n![Time and requests per handoff against the number of waiters](" + pictureName + ")\n")
	}
	for _, r := range results {
		r.write(&b)
	}
	return b.String()
}

func (r result) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s: %s\n\n%s\n", r.workload.name, r.workload.title, r.workload.about)
	fmt.Fprintf(b, "\nThe window is %v.", r.plan.window)
	if r.rounds > 1 {
		fmt.Fprintf(b, " Figures are medians of %d rounds, with the lowest and the highest in parentheses.", r.rounds)
	}
	b.WriteString("\n")
	for _, kase := range r.plan.cases {
		if text := r.workload.caseText(kase); text != "" {
			fmt.Fprintf(b, "\n**%s**", text)
			if n := len(r.outcomes[spot{baseline, kase}]); n < r.rounds {
				fmt.Fprintf(b, " (rounds: %d)", n)
			}
			b.WriteString("\n")
		}
		r.writeCase(b, kase)
	}
	r.writeTargets(b)
}

func (r result) writeCase(b *strings.Builder, kase int) {
	head, rule := []string{"library"}, []string{"---"}
	for _, c := range r.workload.columns {
		head, rule = append(head, c.heading), append(rule, "---:")
		if c.ratio {
			head, rule = append(head, "of raw"), append(rule, "---:")
		}
	}
	head, rule = append(head, "remarks"), append(rule, "---")
	b.WriteString("\n")
	writeRow(b, head)
	writeRow(b, rule)
	for _, p := range r.peers {
		cells := []string{p.name}
		for _, c := range r.workload.columns {
			cells = append(cells, r.cell(p.name, kase, c))
			if c.ratio {
				cells = append(cells, orDash(r.ratio(p.name, kase, c.figure), times))
			}
		}
		writeRow(b, append(cells, strings.Join(r.remarks(p.name, kase), "; ")))
	}
}

// cell returns a figure's median, with its spread if there were several rounds.
func (r result) cell(peer string, kase int, c column) string {
	text := orDash(r.median(peer, kase, c.figure), c.format)
	least, most := r.extremes(peer, kase, c.figure)
	if len(r.values(peer, kase, c.figure)) < 2 {
		return text
	}
	number := func(v float64) string { return strings.Fields(c.format(v))[0] }
	return fmt.Sprintf("%s (%s–%s)", text, number(least), number(most))
}

func (r result) writeTargets(b *strings.Builder) {
	if !slices.ContainsFunc(r.peers, func(p peer) bool { return p.name == ours }) {
		return
	}
	b.WriteString("\n")
	writeRow(b, []string{"target of " + ours, "wanted", "measured", ""})
	writeRow(b, []string{"---", "---:", "---:", "---"})
	for _, t := range r.workload.targets {
		v := t.value(r)
		verdict := "missed"
		switch {
		case math.IsNaN(v):
			verdict = "not measured"
		case t.met(v):
			verdict = "met"
		}
		writeRow(b, []string{t.text, t.wish(), orDash(v, t.format), verdict})
	}
}

func orDash(v float64, format func(float64) string) string {
	if math.IsNaN(v) {
		return "–"
	}
	return format(v)
}

// writeRow writes a row of a table. A bar or a line break in a peer's error
// message would end the cell.
func writeRow(b *strings.Builder, cells []string) {
	clean := strings.NewReplacer("|", "\\|", "\n", " ", "\r", "")
	b.WriteString("|")
	for _, cell := range cells {
		b.WriteString(" " + clean.Replace(cell) + " |")
	}
	b.WriteString("\n")
}
