package soak_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync/atomic"
)

// record is one attempt at a lock, or a moment in which its process stood still.
// Its size is fixed, so that a journal can be written in place; and it divides a
// page, for a process that is killed may be in the middle of a write between two.
type record struct {
	Kind      kind
	Mode      mode
	Outcome   outcome
	Writing   bool // it is about to write the counter, or has done so
	Wrote     bool // the counter was written
	Refused   bool // the counter was not written, because of the token
	Goroutine uint16
	Key       uint16
	Number    uint32 // of the attempt, in its goroutine
	TTL       uint16 // in milliseconds
	Token     uint64
	Holder    uint64 // a hash of the holder's id
	Want      instant
	Enter     instant // 0 if it never had the lock, as the next two
	Leave     instant // the work ended
	Lost      instant // the context of the work was cancelled
	Done      instant // the lock was released
	_         [56]byte
}

type kind uint8

const (
	tried   kind = 1
	stalled kind = 2 // from Want to Done
)

// journal is what a process writes of its attempts, into a file: what has been
// written stays, also if the process is killed. It begins with a desk for each
// goroutine, where the attempt under way lies; what is over goes to the end.
//
// A pipe to the test was rejected: a process that is stopped or killed would take
// with it what the pipe had no room for.
type journal struct {
	file *os.File
	end  atomic.Int64
}

const desks = 64

var recordSize = int64(binary.Size(record{}))

func newJournal(path string) (*journal, error) {
	file, err := os.Create(path)
	j := &journal{file: file}
	j.end.Store(desks * recordSize)
	return j, err
}

// lay puts the record on the desk of its goroutine.
func (j *journal) lay(r record) { j.write(r, int64(r.Goroutine)*recordSize) }

// add files the record, which will not change any more.
func (j *journal) add(r record) { j.write(r, j.end.Add(recordSize)-recordSize) }

func (j *journal) write(r record, at int64) {
	b, err := binary.Append(make([]byte, 0, 128), binary.LittleEndian, r)
	if err == nil {
		_, err = j.file.WriteAt(b, at)
	}
	if err != nil {
		panic(err)
	}
}

// readJournal returns what was filed, and what lay on the desks besides.
func readJournal(path string) (filed, open []record, err error) {
	all, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	last := map[uint16]uint32{}
	for i, from := 0, bytes.NewReader(all); ; i++ {
		var r record
		switch err := binary.Read(from, binary.LittleEndian, &r); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			unfiled := open[:0]
			for _, r := range open {
				if r.Number > last[r.Goroutine] {
					unfiled = append(unfiled, r)
				}
			}
			return filed, unfiled, nil
		case err != nil:
			return nil, nil, err
		}
		switch {
		case r.Kind == 0: // a desk that was not used, or a place whose writer was killed
		case i < desks:
			open = append(open, r)
		default:
			filed = append(filed, r)
			if r.Kind == tried {
				last[r.Goroutine] = max(last[r.Goroutine], r.Number)
			}
		}
	}
}
