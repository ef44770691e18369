package turn_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/turn"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// script is a lock with waiters named by letters. Naming a waiter makes it.
type script struct {
	turn.State
	now     time.Time
	waiters map[string]*turn.Waiter
}

func newScript(limit int) *script {
	return &script{State: turn.State{Limit: limit}, now: epoch, waiters: map[string]*turn.Waiter{}}
}

func (s *script) waiter(name string) *turn.Waiter {
	if s.waiters[name] == nil {
		s.waiters[name] = &turn.Waiter{Holder: holder(name), PollEvery: time.Second}
	}
	return s.waiters[name]
}

// holder is "a" with one permit, or "a3" with three.
func holder(name string) turn.Holder {
	h := turn.Holder{ID: name[:1], Permits: 1}
	if len(name) > 1 {
		h.Permits = int(name[1] - '0')
	}
	return h
}

var events = map[string]turn.Event{
	"joins":                    {Kind: turn.Join},
	"tries":                    {Kind: turn.Try},
	"is woken":                 {Kind: turn.Woken},
	"is due":                   {Kind: turn.Due},
	"polls":                    {Kind: turn.PolicyDue},
	"polls for it":             {Kind: turn.PollFor, Every: 2 * time.Second},
	"is granted":               {Kind: turn.Answered, Outcome: backing.Granted{}},
	"is queued":                {Kind: turn.Answered, Outcome: backing.Queued{AskAgain: time.Minute}},
	"is not queued":            {Kind: turn.Answered, Outcome: backing.MustPoll{}},
	"cannot be notified":       {Kind: turn.Answered, Outcome: backing.MustPoll{Why: errors.New("no pub/sub")}},
	"is refused":               {Kind: turn.Answered, Outcome: backing.Refused{}},
	"fails":                    {Kind: turn.Failed},
	"is not sent":              {Kind: turn.Failed, NotSent: true},
	"asks again":               {Kind: turn.Retried},
	"accepts":                  {Kind: turn.Accepted},
	"declines":                 {Kind: turn.Declined},
	"leaves":                   {Kind: turn.Left},
	"gets it":                  {Kind: turn.Passed, Outcome: backing.Granted{}},
	"gets it after all waited": {Kind: turn.Passed, Outcome: backing.Granted{}, Yield: true},
	"is put behind":            {Kind: turn.Passed, Outcome: backing.Queued{AskAgain: time.Minute}},
	"finds it free":            {Kind: turn.Passed, Outcome: backing.MustPoll{}},
	"gets nothing":             {Kind: turn.Passed, Outcome: backing.Refused{}},
	"never knows":              {Kind: turn.Passed},
	"releases":                 {Kind: turn.Releasing},
	"releases alone":           {Kind: turn.Releasing, Alone: true},
	"is gone":                  {Kind: turn.Freed},
	"is undone":                {Kind: turn.Undone},
}

// play applies events such as "a joins" or "a>b gets it" (a hands the lock to b), and returns
// the actions that follow from the last. A duration such as "1s" lets time pass.
func (s *script) play(t *testing.T, lines ...string) string {
	t.Helper()
	var actions []turn.Action
	for _, line := range lines {
		if d, err := time.ParseDuration(line); err == nil {
			s.now = s.now.Add(d)
			continue
		}
		who, what, _ := strings.Cut(line, " ")
		e, ok := events[what]
		if !ok {
			t.Fatalf("no event %q", what)
		}
		from, to, passed := strings.Cut(who, ">")
		switch {
		case passed:
			e.Holder, e.Waiter = holder(from), s.waiter(to)
		case e.Kind == turn.Releasing || e.Kind == turn.Freed || e.Kind == turn.Undone:
			e.Holder = holder(who)
		default:
			e.Waiter = s.waiter(who)
		}
		actions = s.Step(s.now, e)
		assert.Empty(t, s.Invariant(), "after %q", line)
	}
	return s.describe(actions)
}

func (s *script) describe(actions []turn.Action) string {
	var all []string
	for _, a := range actions {
		who := a.Holder.ID
		if a.Waiter != nil {
			who = a.Waiter.ID
		}
		switch a.Do {
		case turn.Ask:
			all = append(all, who+" asks")
		case turn.Sleep:
			all = append(all, fmt.Sprint(who, " sleeps ", a.Until.Sub(s.now)))
		case turn.Accept:
			all = append(all, who+" accepts")
		case turn.Pass:
			all = append(all, a.Holder.ID+" passes to "+who+map[bool]string{true: ", the others first"}[a.Yield])
		case turn.Release:
			all = append(all, who+" is released")
		case turn.Undo:
			all = append(all, who+" is undone")
		case turn.Nothing:
		}
	}
	return strings.Join(all, "; ")
}

func TestSteps(t *testing.T) {
	t.Parallel()
	hasIt := []string{"a joins", "a is granted", "a accepts"}
	queued := []string{"a joins", "a is queued"}
	polling := []string{"a joins", "a is not queued"}
	passing := append(hasIt[:3:3], "b joins", "c joins", "a releases")
	for name, c := range map[string]struct {
		before []string
		event  string
		want   string
	}{
		"the first to come asks":                                {nil, "a joins", "a asks"},
		"the second does not":                                   {[]string{"a joins"}, "b joins", ""},
		"one that is granted the lock accepts it":               {[]string{"a joins"}, "a is granted", "a accepts"},
		"nobody asks while the process has the lock":            {hasIt, "b joins", ""},
		"the lock is handed on":                                 {append(hasIt, "b joins"), "a releases", "a passes to b"},
		"the lock is not handed on by a store that cannot":      {append(hasIt, "b joins"), "a releases alone", "a is released"},
		"the lock is released if nobody waits":                  {hasIt, "a releases", "a is released"},
		"the lock is not handed to its own holder":              {append(hasIt, "a1 joins", "a1 is not queued"), "a releases", "a is released"},
		"so does one with an older answer":                      {[]string{"a joins", "x is undone"}, "a is not queued", "a asks"},
		"or one older than the end of a holder":                 {[]string{"a joins", "x tries", "x is granted", "x accepts", "x is gone"}, "a is not queued", "a asks"},
		"but not when that was known":                           {append(hasIt, "b joins", "a is gone", "a is gone"), "b is not queued", ""},
		"a polling waiter asks when the lock is free":           {append(polling, "x tries", "x is granted", "x accepts"), "x is gone", "a asks"},
		"a second waiter of the holder's id asks":               {hasIt, "a joins", "a asks"},
		"one that has asked is not handed the lock":             {append(queued, "a is woken", "x tries", "x is granted", "x accepts"), "x releases", "x is released"},
		"one that was queued is handed the lock":                {append(queued, "x tries", "x is granted", "x accepts"), "x releases", "x passes to a"},
		"one that is handed the lock accepts it":                {passing, "a>b gets it", "b accepts"},
		"one that declines it asks":                             {append(passing, "a>b gets it"), "b declines", "b asks"},
		"one that declines it and leaves is undone":             {append(passing, "a>b gets it", "x tries", "x is granted", "b declines"), "b leaves", "b is undone"},
		"only one is handed the lock at a time":                 {passing, "a releases", "a is released"},
		"a queued waiter sleeps until it is to ask again":       {[]string{"a joins"}, "a is queued", "a sleeps 1m0s"},
		"and asks then":                                         {append(queued, "1m"), "a is due", "a asks"},
		"and not before":                                        {append(queued, "59s"), "a is due", "a sleeps 1s"},
		"and asks when it is woken":                             {queued, "a is woken", "a asks"},
		"a wake-up during a request is kept":                    {[]string{"a joins", "a is woken"}, "a is queued", "a asks"},
		"a wake-up during a handover is kept":                   {append(passing, "b is woken"), "a>b is put behind", "b asks"},
		"a wake-up for one behind makes nobody ask":             {append(queued, "b joins"), "b is woken", ""},
		"a polling waiter does not sleep by itself":             {[]string{"a joins"}, "a is not queued", ""},
		"it asks when its policy says so":                       {polling, "a polls", "a asks"},
		"a queued waiter does not":                              {queued, "a polls", ""},
		"one behind with a shorter policy makes the first poll": {append(polling, "b joins", "3s"), "b polls for it", "a asks"},
		"but not too often":                                     {append(polling, "b joins", "2.9s"), "b polls for it", ""},
		"the next asks when the first leaves":                   {append(queued, "b joins"), "a leaves", "a is undone; b asks"},
		"one that the store does not know leaves silently":      {append(polling, "b joins"), "a leaves", "b asks"},
		"one whose request was not sent leaves silently":        {[]string{"a joins", "a is not sent"}, "a leaves", ""},
		"one whose request failed is undone":                    {[]string{"a joins", "a fails"}, "a leaves", "a is undone"},
		"also if it was not sent the second time":               {[]string{"a joins", "a fails", "a asks again", "a is not sent"}, "a leaves", "a is undone"},
		"also if the second was refused":                        {[]string{"a joins", "a fails", "a asks again", "a is not queued"}, "a leaves", "a is undone"},
		"one that had a place in the queue is undone":           {append(queued, "a is woken", "a is not queued"), "a leaves", "a is undone"},
		"one that was refused for good has nothing to undo":     {[]string{"a joins", "a is refused"}, "a leaves", ""},
		"one that leaves with a grant is undone":                {append(passing, "a>b gets it"), "b leaves", "b is undone"},
		"one that leaves during a handover is not, yet":         {append(passing, "a is gone"), "b leaves", "c asks"},
		"the lock goes on in its name":                          {append(passing, "b leaves"), "a>b gets it", "b passes to c"},
		"or is released in its name":                            {append(passing, "b leaves", "c leaves"), "a>b gets it", "b is released"},
		"its place in the queue is given up":                    {append(passing, "b leaves", "c leaves"), "a>b is put behind", "b is undone"},
		"what is unknown of it is undone":                       {append(passing, "b leaves", "c leaves"), "a>b never knows", "b is undone"},
		"there is nothing to undo of a lock that was freed":     {append(passing, "b leaves", "c leaves"), "a>b finds it free", ""},
		"after a refused handover the holder releases":          {passing, "a>b gets nothing", "a is released"},
		"and then the waiter asks":                              {append(passing, "a>b gets nothing"), "a is gone", "b asks"},
		"a waiter that knows nothing of its handover asks":      {passing, "a>b never knows", "b asks"},
		"a lock that was freed for one that left is asked for":  {append(passing, "b leaves"), "a>b finds it free", "c asks"},
		"and may be known to the store from then on":            {append(passing, "a>b never knows", "b is not queued"), "b leaves", "b is undone; c asks"},
		"one that is put behind others sleeps":                  {passing, "a>b is put behind", "b sleeps 1m0s"},
		"a lock that was freed is left to others for a while":   {passing, "a>b finds it free", "b sleeps 1.25s"},
		"and asked for then":                                    {append(passing, "a>b finds it free", "1.25s"), "b is due", "b asks"},
		"the next asks when a holder is gone":                   {append(hasIt, "b joins"), "a is gone", "b asks"},
		"a queued one then waits on":                            {append(queued, "x tries", "x is granted", "x accepts"), "x is gone", ""},
		"unless it is late":                                     {append(queued, "x tries", "x is granted", "x accepts", "1m", "a is due"), "x is gone", "a asks"},
		"one that tries asks past the line":                     {append(queued, "b joins"), "x tries", "x asks"},
		"one that tries in vain is forgotten":                   {[]string{"x tries", "x is not queued"}, "x leaves", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(1)
			s.play(t, c.before...)
			assert.Equal(t, c.want, s.play(t, c.event))
		})
	}
}

func TestEveryNinthHandoverLetsOtherProcessesComeFirst(t *testing.T) {
	t.Parallel()
	s := newScript(1)
	s.play(t, "a joins", "a is granted", "a accepts")
	names := "abcdefghijklmnopqrstuvwxyz"
	for i := 1; i < len(names); i++ {
		from, to := names[i-1:i], names[i:i+1]
		want := from + " passes to " + to
		yields := i%9 == 0
		if yields {
			want += ", the others first"
		}
		assert.Equal(t, want, s.play(t, to+" joins", from+" releases"))
		s.play(t, from+">"+to+map[bool]string{false: " gets it", true: " gets it after all waited"}[yields], to+" accepts")
	}
}

// If others poll, the lock must stay free for a while. That happens after eight of their
// intervals at the earliest.
func TestALockIsRarelyLeftToThoseThatPoll(t *testing.T) {
	t.Parallel()
	s := newScript(1)
	s.play(t, "a joins", "a is granted", "a accepts", "b joins", "a releases", "a>b finds it free", "1.25s", "b is due", "b is granted", "b accepts")
	s.Handovers = turn.MaxHandovers
	assert.Equal(t, "b passes to c", s.play(t, "7.9s", "c joins", "b releases"))
	s.play(t, "b>c gets it", "c accepts")
	assert.Equal(t, "c passes to d, the others first", s.play(t, "100ms", "d joins", "c releases"))
}

func TestPolling(t *testing.T) {
	t.Parallel()
	s := newScript(1)
	s.play(t, "a joins", "a cannot be notified")
	assert.True(t, s.Unqueued)
	s.play(t, "a polls", "a is not queued")
	assert.True(t, s.Unqueued)
	s.play(t, "a polls", "a is queued")
	assert.False(t, s.Unqueued)
}

// A mutex has one permit. With more, the first in line asks while others hold some.
func TestPermits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before []string
		event  string
		want   string
	}{
		"the first asks while there may be enough":   {nil, "b2 joins", "b asks"},
		"and not when there are too few":             {nil, "b3 joins", ""},
		"nobody overtakes it, though it would fit":   {[]string{"b3 joins"}, "c1 joins", ""},
		"it asks when enough are free":               {[]string{"b3 joins"}, "a2 is gone", "b asks"},
		"it is handed as many as it wants":           {[]string{"x2 joins", "x2 is granted", "x2 accepts", "b2 joins"}, "a2 releases", "a passes to b"},
		"and no others":                              {[]string{"x2 joins", "x2 is granted", "x2 accepts", "b1 joins"}, "a2 releases", "a is released"},
		"a grant shows that older holders have lost": {[]string{"x2 joins", "x2 is granted", "x2 accepts", "y2 tries", "y2 is granted", "y2 accepts", "b1 joins"}, "x2 is gone", "b asks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(4)
			s.play(t, "a2 joins", "a2 is granted", "a2 accepts")
			s.play(t, c.before...)
			assert.Equal(t, c.want, s.play(t, c.event))
		})
	}
}
