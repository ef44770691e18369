package redis

import "strings"

// keys are the names of what belongs to a lock and one of its holders.
type keys struct{ lock, fence, queue, released string }

// keysOf names them for a lock of the prefix. They are cut from one string, which
// costs one allocation, for nearly every lock: one without a "}".
func keysOf(prefix, key, holder string) keys {
	if strings.Contains(prefix, "}") || strings.Contains(key, "}") {
		lock := prefix + key
		same := sameSlot(lock)
		return keys{lock, fence + same, queue + same, released + same + ":" + holder}
	}
	room := make([]byte, 0, 256)
	for _, kind := range [...]string{fence, queue, released} {
		room = append(append(append(append(append(room, kind...), '{'), prefix...), key...), '}')
	}
	room = append(append(room, ':'), holder...)
	all, lock := string(room), len(prefix)+len(key)
	f := len(fence) + lock + len("{}")
	q := f + len(queue) + lock + len("{}")
	return keys{lock: all[len(fence)+1 : f-1], fence: all[:f], queue: all[f:q], released: all[q:]}
}

// lockAndFence is keysOf for a refresh, which needs no more.
func lockAndFence(prefix, key string) (lockKey, fenceKey string) {
	if strings.Contains(prefix, "}") || strings.Contains(key, "}") {
		lockKey = prefix + key
		return lockKey, fence + sameSlot(lockKey)
	}
	fenceKey = fence + "{" + prefix + key + "}"
	return fenceKey[len(fence)+1 : len(fenceKey)-1], fenceKey
}
