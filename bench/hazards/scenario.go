package main

// scenario is something that goes wrong.
type scenario struct {
	number int    // in docs/guarantees.md
	text   string // what happens
	play   func(*stage) string
	// alone means that the counts would depend on the load.
	alone bool
}

// nothing is the cell of a library that has no such feature.
const nothing = "–"

var scenarios = []scenario{
	{1, "the reply of the acquire is lost", lostAcquireReply, false},
	{2, "the reply of the release is lost", lostReleaseReply, false},
	{3, "the caller's context ends after the acquire was applied, before its reply; 0.3 s later the connection breaks; lease 10 s", cancelledInFlight, false},
	{6, "the caller's context ends while the work runs", cancelledCaller, false},
	{7, "the work panics", panickingWork, false},
	{8, "the holder is cut off while another waits", cutOff, false},
	{9, "the reply to a renewal is late: it arrives 2.9 s after the acquire", lateRefresh, false},
	{11, "the key is deleted while held", deleted, false},
	{13, "the lease ends, another holder acquires, then the first releases", releasedLate, false},
	{14, "the holder's process is stopped (SIGSTOP) until another holder has the lock, then resumed", stoppedProcess, false},
	{19, "acquire, then release immediately, 5,000 times", atOnce, true},
	{21, "the holder renews after another has the lock", foreignRefresh, false},
	{24, "the holder's process is killed while another waits", killedProcess, false},
	{26, "100 goroutines wait for a lock that each holds for 1 ms: requests per handoff", crowd, true},
	{27, "the first of two waiters is cancelled just as the lock is released, 60 times", cancelledWaiter, false},
	{28, "a client without permission to subscribe waits for a release", noSubscription, false},
	{37, "a lease of 500 µs", shortLease, false},
	{40, "“worker-10” holds the lock, “worker-1” asks for it", prefixID, false},
	{45, "fencing tokens of three grants, with FLUSHALL in between", tokens, false},
}
