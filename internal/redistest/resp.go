package redistest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ReadCommand reads a command and returns its bytes and its words.
func ReadCommand(from *bufio.Reader) (raw []byte, words []string, err error) {
	var all bytes.Buffer
	if err := copyReply(&all, from); err != nil { // a command has the form of a reply: an array of strings
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
		return nil, nil, fmt.Errorf("redistest: %q is not a command", raw)
	}
	return raw, words, nil
}

// copyReply copies a reply with all its elements. See the Redis serialization protocol
// specification.
func copyReply(to *bytes.Buffer, from *bufio.Reader) error {
	line, err := from.ReadString('\n')
	if err != nil {
		return err
	}
	to.WriteString(line)
	n, _ := strconv.ParseInt(strings.TrimSpace(line[1:]), 10, 64) // 0 if there is no length
	parts := map[byte]int64{'*': n, '~': n, '>': n, '%': 2 * n, '|': 2 * n}[line[0]]
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
