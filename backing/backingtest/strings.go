package backingtest

import (
	"fmt"
	"strings"
)

// Shapes that stores are known to treat specially: separators, hash tags, patterns, paths,
// ends of C strings and of protocol lines, text that is not UTF-8 or has two forms.
var oddShapes = []string{
	" ", "  ", "\t", "\n", "\r\n", "\x00", "\xff\xfe", "\xc3(", "é", "e\u0301", "ключ", "锁", "🔒", "\u2028",
	"{", "}", "{}", "}{", "{{", "}}", "{}{", "a{b}c", "a}b{", "{a}{b}",
	":", "/", "../", ".", "*", "?", "[a]", "\\", "%", "%s", "'", `"`, ";", "$1", "--", "#",
}

// Pairs that a careless comparison takes for equal.
var alike = [][2]string{
	{"holder", "holder1"}, {"1holder", "holder"}, {"holder", "Holder"}, {"holder", "holder "}, {" holder", "holder"},
	{"holder", "holder\x00"}, {"holder\x00a", "holder\x00b"}, {"holder\n", "holder"}, {"é", "e\u0301"},
	{"1", "01"}, {"1", "1.0"}, {"\xff", "\ufffd"}, {"a{h}", "b{h}"}, {"h*", "holder"}, {"h%", "holder"},
	{strings.Repeat("x", 1023) + "1", strings.Repeat("x", 1023) + "2"},
}

func exerciseStrings(run runner) {
	run("may hold any bytes", func(p *probe) {
		p.lives(p.key("k"), "a")
		p = p.blaming(anyBytes)
		for _, odd := range oddShapes {
			p.lives(odd+p.unique+odd, odd)
			p.lives("{"+odd+p.unique+"}", odd)
		}
	})

	run("may be long", func(p *probe) {
		p.lives(p.key("k"), "a")
		p.blaming(anyBytes).lives(p.unique+strings.Repeat("k", 1024-len(p.unique)), strings.Repeat("h", 1024))
	})

	run("are told apart: holders", func(p *probe) {
		p.lives(p.key("k1"), "a")
		p.areTwoHolders(p.key("k2"), "a", "b")
		for i, pair := range alike {
			k := func(n int) string { return p.key(fmt.Sprint(i, "-", n)) } // each holder lives once
			p.blaming(anyBytes).lives(k(1), pair[0])
			p.blaming(anyBytes).lives(k(2), pair[1])
			p.blaming(wholeStrings).areTwoHolders(k(3), pair[0], pair[1])
			p.blaming(wholeStrings).areTwoHolders(k(4), pair[1], pair[0])
		}
	})

	run("are told apart: keys", func(p *probe) {
		p.lives(p.key("k"), "a")
		p.areTwoKeys(p.key("k1"), p.key("k2"))
		for i, pair := range alike {
			// Not key: the difference of a pair may be at either end.
			once := fmt.Sprint(p.unique, "-", i, "-")
			for _, start := range []string{once, pair[0][:1] + once} {
				p.blaming(anyBytes).lives(start+pair[0], "c")
				p.blaming(anyBytes).lives(start+pair[1], "d")
				p.blaming(wholeStrings).areTwoKeys(start+pair[0], start+pair[1])
			}
		}
	})

	run("may be many", func(p *probe) {
		const workers = 50
		each := p.keys / workers
		name := func(i, j int) (key, holder string) {
			return p.key(fmt.Sprint("k", i, "-", j)), fmt.Sprint("h", i, "-", j)
		}
		p.together(workers, func(p *probe, i int) {
			for j := range each {
				k, h := name(i, j)
				p.acquires(freeIsGiven, k, h, long)
			}
		})
		p.together(workers, func(p *probe, i int) {
			for j := range each {
				k, h := name(i, j)
				p.isHeldBy(ttlRuns, k, h)
				p.releases(releaseFrees, k, h, true)
			}
		})
	})
}

// lives takes a key through everything that can happen to it.
func (p *probe) lives(key, holder string) {
	p.Helper()
	g := p.acquires(freeIsGiven, key, holder, long)
	p.isHeldBy(freeIsGiven, key, holder)
	p.resumes(key, holder, long, g)
	p.refreshes(refreshExtends, key, holder, long, true)
	p.isRefused(freeIsGiven, key, "rival", long)
	p.releases(releaseFrees, key, holder, true)
	p.isFree(releaseFrees, key)
}

func (p *probe) areTwoHolders(key, has, hasNot string) {
	p.Helper()
	p.acquires(freeIsGiven, key, has, long)
	p.isRefused(freeIsGiven, key, hasNot, long)
	p.refreshes(refreshElse, key, hasNot, long, false)
	p.isHeldBy(refreshElse, key, has)
	p.releases(releaseFrees, key, has, true)
}

func (p *probe) areTwoKeys(one, other string) {
	p.Helper()
	p.acquires(freeIsGiven, one, "a", long)
	p.acquires(freeIsGiven, other, "b", long)
	p.isHeldBy(wholeStrings, one, "a")
	p.isHeldBy(wholeStrings, other, "b")
	p.releases(releaseFrees, one, "a", true)
	p.isHeldBy(wholeStrings, other, "b")
	p.releases(releaseFrees, other, "b", true)
}
