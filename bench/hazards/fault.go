package main

import "time"

// fault is what keeps a store from answering.
type fault struct {
	text string
	// server means that the fault is in the server, not in the network. The server then
	// serves only one cell.
	server      bool
	begin, heal func(*stage)
}

// slowness is less than impatience, so that every client gets a slow answer.
const slowness = 200 * time.Millisecond

var faults = []fault{
	{"refused: nothing listens", true, func(s *stage) { s.server.Kill() }, func(s *stage) { s.server.Restart() }},
	{"frozen: SIGSTOP", true, func(s *stage) { s.server.Freeze() }, func(s *stage) { s.server.Thaw() }},
	{"requests are swallowed", false, func(s *stage) { s.proxy.Cut() }, mended},
	{"replies are swallowed", false, func(s *stage) { s.proxy.CutReplies() }, mended},
	{"slow: each reply takes 200 ms more", false, func(s *stage) { s.proxy.Delay(slowness) }, mended},
}

func mended(s *stage) { s.proxy.Heal() }
