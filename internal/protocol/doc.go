// Package protocol holds the tests of what docs/protocol.md says: of the way in
// which a lock that several processes want is queued for, handed over, refreshed
// and let go.
//
// One is a model of the protocol, small enough that every state it can get into
// is looked at. Messages in it are lost, doubled, late and misdelivered without bound, and a
// replica becomes the primary while the subscriptions stay where they are. The model is broken
// on purpose in many ways, each of which must be found. The other does at random what processes do, on a real server, and
// compares each answer with what a lock of a few lines would have answered.
//
// It has no code of its own. The second test needs a redis-server; see redistest.
package protocol
