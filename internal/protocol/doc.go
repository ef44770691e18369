// Package protocol holds the tests of what docs/protocol.md says: of the way in
// which a lock that several processes want is queued for, handed over, refreshed
// and let go.
//
// One explores every state that a few processes can get into which run package turn, as the
// mutex does, against a model of the store and of the network. Messages are lost, doubled,
// late and misdelivered without bound, requests are lost, repeated and late, processes die,
// and a replica becomes the primary while the subscriptions stay where they are. Never do two
// work at once, and nobody waits for ever. The step or the store is broken on purpose in
// many ways, each of which must be found. The other does at random what processes do, on a
// real server, and compares each answer with what a lock of a few lines would have answered.
//
// It has no code of its own. The second test needs a redis-server; see redistest.
package protocol
