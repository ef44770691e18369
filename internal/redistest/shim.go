package redistest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Shim is a RESP server on loopback in front of real servers. It differs from them where its
// rules say so, as proxies and other implementations do. It forwards a command with a key,
// or a script, to the server that its first key chooses, wherever its other keys are, and
// every other command to its first server.
type Shim struct {
	Addr string

	rules   map[string]Rule
	servers []string
}

// Rule is what a Shim does with a command instead of forwarding it.
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

// serve forwards a client's commands one at a time. Once the client has subscribed, it
// copies in both directions, because messages may come at any time.
func (s *Shim) serve(_ context.Context, client net.Conn) {
	upstream := make([]*peer, len(s.servers))
	defer func() {
		for _, p := range upstream {
			if p != nil {
				_ = p.Close()
			}
		}
	}()
	for commands := bufio.NewReader(client); ; {
		raw, words, err := ReadCommand(commands)
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

// choose returns the index of the server for a command.
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
