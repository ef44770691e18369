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
	{3, "the caller's context ends while the acquire, which was applied, has no answer; 0.3 s later the connection breaks; lease 10 s", cancelledInFlight, false},
	{6, "the caller's context ends while the work runs", cancelledCaller, false},
	{7, "the work panics", panickingWork, false},
	{8, "the holder is cut off, another waits", cutOff, false},
	{9, "the answer to a renewal is late: it comes 2.9 s after the acquire", lateRefresh, false},
	{11, "the key is deleted while held", deleted, false},
	{13, "the lease ends, another acquires, then the first releases", releasedLate, false},
	{14, "the holder's process is stopped (SIGSTOP) until another has the lock, then continued", stoppedProcess, false},
	{19, "acquire and release at once, 5,000 times", atOnce, true},
	{21, "the holder renews after another has taken over", foreignRefresh, false},
	{24, "the holder's process is killed, another waits", killedProcess, false},
	{26, "100 goroutines wait for a lock that each has for 1 ms: requests per handoff", crowd, true},
	{27, "the first of two waiters is cancelled just as the lock is released, 60 times", cancelledWaiter, false},
	{28, "the user may not subscribe, and waits for a release", noSubscription, false},
	{37, "a lease of 500 µs", shortLease, false},
	{40, "“worker-10” has the lock, “worker-1” asks for it", prefixID, false},
	{45, "fencing tokens of three grants, with FLUSHALL between", tokens, false},
}
