package redistest

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy is a TCP proxy on loopback that breaks the network between clients and
// one server. Its methods are safe for concurrent use, and affect existing
// connections as well as later ones.
type Proxy struct {
	addr   string
	opaque bool // the traffic is not commands and replies

	mu      sync.Mutex
	target  string
	links   map[*link]struct{}
	cut     bool
	mute    bool
	delay   time.Duration
	drops   int           // how many more replies to lose; < 0: all
	arg     string        // only replies to commands with this argument, unless ""
	dropped int           // how many have been lost
	lose    func() bool   // reports whether the next notification is lost
	next    string        // the argument of the command that AfterNext waits for
	after   func()        // what AfterNext calls then
	changed chan struct{} // closed and replaced whenever the network changes
}

// NewProxy starts a proxy in front of the server at the address target. It
// ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return newProxy(t, target, false)
}

func newProxy(t testing.TB, target string, opaque bool) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	p := &Proxy{addr: l.Addr().String(), target: target, opaque: opaque, links: map[*link]struct{}{}, changed: make(chan struct{})}
	listen(t, l, p.serve)
	return p
}

// Addr is the address that clients dial instead of the server's.
func (p *Proxy) Addr() string { return p.addr }

// DropReplies loses the next n replies: all if n is negative, none if it is 0. The
// server has applied the command by then; the client finds its connection reset. If
// arg is not "", only replies to commands with that argument count, so that a release
// can be distinguished from the greetings of a new connection. Case does not matter.
func (p *Proxy) DropReplies(n int, arg string) {
	p.change(func() { p.drops, p.arg = n, arg })
}

// Dropped returns how many replies DropReplies has lost.
func (p *Proxy) Dropped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// AfterNext calls do once the server has answered the next command with the argument
// arg, in whatever case, and before the answer is forwarded: at that moment only the
// server knows what has been applied. do may cut, freeze or kill whatever it likes; to
// lose the answer it calls Reset. It runs on a goroutine of the proxy, so it must not
// fail the test itself. A command that the server refuses, such as a script that it
// does not know, counts as well.
func (p *Proxy) AfterNext(arg string, do func()) { p.change(func() { p.next, p.after = arg, do }) }

// Delay holds back each reply for d.
func (p *Proxy) Delay(d time.Duration) { p.change(func() { p.delay = d }) }

// Cut breaks the network silently: connections stay open and can be made, but no
// byte passes. What was sent meanwhile arrives after Heal, as retransmissions do.
func (p *Proxy) Cut() { p.change(func() { p.cut = true }) }

// CutReplies is Cut in one direction: commands arrive and are applied, and their
// replies wait for Heal.
func (p *Proxy) CutReplies() { p.change(func() { p.mute = true }) }

// Reset breaks every connection with a TCP reset. New ones can be made.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Forget makes the network drop the existing connections, as a load balancer does when
// they have been idle for long: what is sent on them is lost, and neither end is notified.
// New ones can be made. Heal does not bring the old ones back.
func (p *Proxy) Forget() {
	p.change(func() {
		for l := range p.links {
			l.forgotten.Store(true)
		}
	})
}

// Heal ends every other fault.
func (p *Proxy) Heal() {
	p.change(func() {
		p.cut, p.mute, p.delay, p.drops, p.arg, p.lose = false, false, 0, 0, "", nil
		p.next, p.after = "", nil
	})
}

// Move gives the proxy's address to another server, as a DNS name or a virtual
// address moves at a failover. Existing connections stay with their server; new
// ones go to target.
func (p *Proxy) Move(target string) { p.change(func() { p.target = target }) }

// aim returns the server that new connections go to.
func (p *Proxy) aim() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

func (p *Proxy) change(set func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set()
	close(p.changed)
	p.changed = make(chan struct{})
}

// serve forwards a client's connection until either end closes.
func (p *Proxy) serve(ended context.Context, client net.Conn) {
	l := &link{proxy: p, client: client, done: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		l.reset()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	stop := context.AfterFunc(ended, l.reset)
	defer stop()
	l.run()
}

// link is a client's connection and the one behind it, to the server.
type link struct {
	proxy   *Proxy
	client  net.Conn
	once    sync.Once
	done    chan struct{}
	replies sieve

	forgotten atomic.Bool

	mu     sync.Mutex
	server net.Conn
	doomed bool   // the next reply will be lost
	after  func() // called before the next reply is forwarded
}

func (l *link) run() {
	if !l.pass(false) {
		return
	}
	server, err := net.Dial("tcp", l.proxy.aim())
	if err != nil {
		return
	}
	l.mu.Lock()
	l.server = server
	l.mu.Unlock()
	select {
	case <-l.done: // reset did not see the server's connection
		_ = server.Close()
		return
	default:
	}
	var replies sync.WaitGroup
	replies.Go(func() {
		defer l.reset()
		l.copy(l.client, server, true)
	})
	l.copy(server, l.client, false)
	l.reset()
	replies.Wait()
}

// copy forwards what it reads in one direction until either end closes.
func (l *link) copy(to io.Writer, from io.Reader, reply bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.forgotten.Load() {
			if reply {
				l.answered()
			}
			if !l.pass(reply) || !l.judge(buf[:n], reply) {
				return
			}
			if _, err := to.Write(l.sift(buf[:n], reply)); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits until the network lets bytes through in that direction. It
// returns false if the connection was reset instead.
func (l *link) pass(reply bool) bool {
	delayed := false
	for {
		p := l.proxy
		p.mu.Lock()
		blocked, delay, changed := p.cut || reply && p.mute, p.delay, p.changed
		p.mu.Unlock()
		switch {
		case blocked:
			select {
			case <-changed:
			case <-l.done:
				return false
			}
		case reply && delay > 0 && !delayed:
			delayed = true
			timer := time.NewTimer(delay)
			select {
			case <-timer.C:
			case <-l.done:
				timer.Stop()
				return false
			}
		default:
			return true
		}
	}
}

// judge reports whether a reply is lost. That is decided when its command passes: a
// client that waits for each reply, as go-redis does outside pipelines, has no other
// reply on its way then.
func (l *link) judge(b []byte, reply bool) bool {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if reply {
		return !l.doomed
	}
	if p.after != nil && carries(b, p.next) {
		l.after, p.after = p.after, nil
	}
	if p.drops != 0 && (p.arg == "" || carries(b, p.arg)) {
		l.doomed = true
		p.dropped++
		if p.drops > 0 {
			p.drops--
		}
	}
	return true
}

// carries reports whether one of the commands in b has that argument.
func carries(b []byte, arg string) bool {
	return bytes.Contains(bytes.ToLower(b), []byte("\r\n"+strings.ToLower(arg)+"\r\n"))
}

// answered calls the function of AfterNext.
func (l *link) answered() {
	l.mu.Lock()
	do := l.after
	l.after = nil
	l.mu.Unlock()
	if do != nil {
		do()
	}
}

// sift removes the notifications that are lost.
func (l *link) sift(b []byte, reply bool) []byte {
	if !reply || l.proxy.opaque {
		return b
	}
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	return l.replies.pass(b, l.proxy.lose)
}

// reset closes both connections, the client's with a TCP reset.
func (l *link) reset() {
	l.once.Do(func() {
		close(l.done)
		if tcp, ok := l.client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = l.client.Close()
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server != nil {
		_ = l.server.Close()
	}
}
