// Package slot computes the hash slots of Redis Cluster.
package slot

import (
	"strconv"
	"strings"
	"sync"
)

const count = 16384

// Of returns the hash slot of key.
func Of(key string) uint16 { return crc16(HashTag(key)) % count }

// HashTag returns the part of key that Redis hashes: what stands between the first "{" and
// the first "}" after it, or all of key if that is nothing.
//
// See "Hash tags" in the Redis Cluster specification.
func HashTag(key string) string {
	if _, rest, open := strings.Cut(key, "{"); open {
		if tag, _, closed := strings.Cut(rest, "}"); closed && tag != "" {
			return tag
		}
	}
	return key
}

// Tag returns a hash tag of slot, always the same one: the smallest number that hashes to
// it.
//
// The numbers are tried in order, and the slot of each is kept. So the first few slots cost
// a fraction of a millisecond, and all of them together some ten milliseconds.
func Tag(slot uint16) string {
	tags.mu.Lock()
	defer tags.mu.Unlock()
	for tags.of[slot] == "" {
		tag := strconv.Itoa(tags.next)
		tags.next++
		if found := &tags.of[crc16(tag)%count]; *found == "" {
			*found = tag
		}
	}
	return tags.of[slot]
}

var tags struct {
	mu   sync.Mutex
	next int // the first number that has not been tried
	of   [count]string
}

// crc16 is the checksum of the Redis Cluster specification: CRC-16/XMODEM,
// polynomial 0x1021, starting from 0.
func crc16(s string) uint16 {
	var crc uint16
	for i := range len(s) {
		crc = crc<<8 ^ crcOfByte[byte(crc>>8)^s[i]]
	}
	return crc
}

var crcOfByte = func() (table [256]uint16) {
	for b := range table {
		crc := uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		table[b] = crc
	}
	return table
}()
