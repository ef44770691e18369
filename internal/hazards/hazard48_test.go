package hazards_test

import "testing"

func TestHazard48_TwoNeverHoldALockWhenThePrimarysAddressMoves(t *testing.T) {
	t.Parallel()
	newPair(t).testExclusion(t)
}

// The connection to the old primary is as good as ever, and what is published on the
// new one is heard there; but the new one counts no receiver.
func TestHazard48_AWaiterIsSoonSubscribedWhereTheAddressHasMoved(t *testing.T) {
	t.Parallel()
	newPair(t).testSubscription(t)
}
