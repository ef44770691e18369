// Package protocol holds the tests of docs/protocol.md: of how a lock that several processes
// want is queued for, handed over, refreshed and released.
//
// One test explores every state that a few processes can reach. They run package turn, as
// the mutex does, against a model of the store and of the network. Messages are lost, doubled,
// late and misdelivered without bound, requests are lost, repeated and late, processes die,
// and a replica becomes the primary while the subscriptions stay where they are. Two never
// work at once, and nobody waits forever. The step or the store is then broken on purpose in
// many ways, each of which must be found. The other test makes processes act at random on a
// real server, and compares each answer with that of a lock of a few lines.
//
// It has no code of its own. The second test needs a redis-server; see redistest.
package protocol
