package redis

import (
	"strconv"
	"strings"
)

// The kinds of key that belong to a lock, and stand before its name in theirs.
const (
	fence    = "fence:"
	released = "released:"
	queue    = "queue:"
)

// sameSlot names lock such that a key that begins with the name lives in lock's
// hash slot, and that whatever follows the name can be told from it.
//
// Putting every lock into braces is the obvious way, but it changes the slot of
// one that has a hash tag, and a lock with a "}" in it cannot be a tag. Such locks
// stand behind a tag of their slot, and behind their length, which says where they
// end. The first "}" of a name tells the two forms apart: only in the second does
// a digit follow.
func sameSlot(lock string) string {
	if !strings.Contains(lock, "}") {
		return "{" + lock + "}"
	}
	tag := hashTag(lock)
	if tag == lock {
		tag = tagOf(slot(lock))
	}
	return "{" + tag + "}" + strconv.Itoa(len(lock)) + ":" + lock
}

// hashTag is the part of key that Redis hashes: what stands between the first
// "{" and the first "}" after it, or all of key if that is nothing.
//
// See "Hash tags" in the Redis Cluster specification.
func hashTag(key string) string {
	if _, rest, open := strings.Cut(key, "{"); open {
		if tag, _, closed := strings.Cut(rest, "}"); closed && tag != "" {
			return tag
		}
	}
	return key
}

// tagOf searches a number that hashes to slot. On average it tries as many as
// there are slots, which takes a fraction of a millisecond; only keys with a
// "}" and without a hash tag pay for it, and a table would cost them all.
func tagOf(slot uint16) string {
	for n := 0; ; n++ {
		if tag := strconv.Itoa(n); crc16(tag)%slots == slot {
			return tag
		}
	}
}

const slots = 16384

func slot(key string) uint16 { return crc16(hashTag(key)) % slots }

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
