// Package protocol tests docs/protocol.md: how several processes queue for one lock, hand it
// over, refresh it and release it.
//
// One test explores every state that a few processes can reach. The processes run package
// turn, as the mutex does, against a model of the store and of the network. Messages are lost,
// duplicated, delayed and misdelivered without bound. Requests are lost, repeated and delayed.
// Processes die, and a replica becomes the primary while the subscriptions stay where they are.
// Two holders never work at once, and nobody waits forever. Then the test breaks the step or
// the store in many ways, and must find each of these flaws.
//
// The other test makes processes act at random on a real server, and compares each answer with
// that of a lock of a few lines. It needs a redis-server; see redistest.
//
// The package has tests only.
package protocol
