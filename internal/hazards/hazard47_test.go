package hazards_test

import "testing"

func TestHazard47_TwoNeverHoldALockWhenAShardFailsOverInGoodOrder(t *testing.T) {
	t.Parallel()
	newShard(t).testExclusion(t)
}

// The old master does not end the subscription: its slots have stayed in its shard.
func TestHazard47_AWaiterIsSoonSubscribedToTheNewMaster(t *testing.T) {
	t.Parallel()
	newShard(t).testSubscription(t)
}
