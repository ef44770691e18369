package redistest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Shim is a RESP server on loopback in front of real servers. It differs from them where its
// rules say so, as proxies and other people's servers do. It passes a command with a key,
// or a script, on to the server that its first key chooses, wherever its other keys are,
// and every other command to its first server.
type Shim struct {
	Addr string

	rules   map[string]Rule
	servers []string
}

// Rule is what a Shim does with a command instead of passing it on.
type Rule func(client io.Writer) error

var errHangUp = errors.New("the rule says so")

// Refuse answers with an error.
func Refuse(text string) Rule {
	return func(client io.Writer) error {
		_, err := io.WriteString(client, "-"+text+"\r\n")
		return err
	}
}

// HangUp closes the connection without an answer.
func HangUp() Rule { return func(io.Writer) error { return errHangUp } }

// Ignore never answers.
func Ignore() Rule { return func(io.Writer) error { return nil } }

// NewShim starts a Shim in front of the servers at the given addresses. The keys of rules
// are names of commands, in lower case. The Shim ends with the test.
func NewShim(t testing.TB, rules map[string]Rule, servers ...string) *Shim {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s := &Shim{Addr: l.Addr().String(), rules: rules, servers: servers}
	listen(t, l, s.serve)
	return s
}

// listen calls run for each connection that l accepts, until the test ends.
func listen(t testing.TB, l net.Listener, run func(net.Conn)) {
	var running sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ended, func() { _ = c.Close() })
			running.Go(func() {
				defer stop()
				defer c.Close()
				run(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		end()
		running.Wait()
	})
}

// serve passes the commands of a client on one at a time. Once the client has subscribed it
// copies in both directions, because messages come at any time.
func (s *Shim) serve(client net.Conn) {
	upstream := make([]*peer, len(s.servers))
	defer func() {
		for _, p := range upstream {
			if p != nil {
				_ = p.Close()
			}
		}
	}()
	for commands := bufio.NewReader(client); ; {
		raw, words, err := readCommand(commands)
		if err != nil {
			return
		}
		name := strings.ToLower(words[0])
		if rule := s.rules[name]; rule != nil {
			if rule(client) != nil {
				return
			}
			continue
		}
		n := s.choose(name, words)
		if upstream[n] == nil {
			if upstream[n], err = dialPeer(s.servers[n]); err != nil {
				return
			}
		}
		if _, err := upstream[n].Write(raw); err != nil {
			return
		}
		if strings.HasSuffix(name, "subscribe") {
			var messages sync.WaitGroup
			messages.Go(func() {
				_, _ = io.Copy(client, upstream[n].replies)
				_ = client.Close()
			})
			_, _ = io.Copy(upstream[n], commands)
			_ = upstream[n].Close()
			messages.Wait()
			return
		}
		var reply bytes.Buffer
		if copyReply(&reply, upstream[n].replies) != nil {
			return
		}
		_, _ = reply.WriteTo(client)
	}
}

// choose returns the number of the server for a command.
func (s *Shim) choose(name string, words []string) int {
	first := 1
	if strings.HasPrefix(name, "eval") {
		first = 3
	}
	if len(s.servers) == 1 || len(words) <= first || name == "hello" {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(words[first]))
	return int(h.Sum32()) % len(s.servers)
}

type peer struct {
	net.Conn
	replies *bufio.Reader
}

func dialPeer(addr string) (*peer, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &peer{c, bufio.NewReader(c)}, nil
}

// readCommand reads a command, and returns its bytes and its words.
func readCommand(from *bufio.Reader) (raw []byte, words []string, err error) {
	var all bytes.Buffer
	if err := copyReply(&all, from); err != nil { // it has the form of a reply: an array of strings
		return nil, nil, err
	}
	raw = all.Bytes()
	for rest := raw; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\r\n"))
		rest = after
		if n, err := strconv.Atoi(string(line[1:])); line[0] == '$' && err == nil {
			words = append(words, string(rest[:n]))
			rest = rest[n+2:]
		}
	}
	if len(words) == 0 {
		return nil, nil, fmt.Errorf("redistest: %q is no command", raw)
	}
	return raw, words, nil
}

// copyReply copies a reply with all of its elements.
func copyReply(to *bytes.Buffer, from *bufio.Reader) error {
	line, err := from.ReadString('\n')
	if err != nil {
		return err
	}
	to.WriteString(line)
	n, _ := strconv.ParseInt(strings.TrimSpace(line[1:]), 10, 64) // 0 if there is no length
	parts := map[byte]int64{'*': n, '~': n, '>': n, '%': 2 * n}[line[0]]
	if n >= 0 && strings.IndexByte("$=!", line[0]) >= 0 {
		_, err = io.CopyN(to, from, n+2)
		return err
	}
	for range max(parts, 0) {
		if err := copyReply(to, from); err != nil {
			return err
		}
	}
	return nil
}
