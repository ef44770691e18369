package protocol_test

import "github.com/effectlock/effectlock/internal/turn"

// happen applies an event, and reports whether it can happen.
func (s *step) happen(e event) bool {
	if s.orderly && e.isDisorder() {
		return false
	}
	if e.isMishap() {
		s.system.mishaps++
	}
	switch e.what {
	case isReceived, deadlineOfMessagePasses, messageIsLost, isDoubled:
		return e.who < len(s.messages) && s.messages[e.who].to != nobody && s.message(e)
	case placeIsForgotten, releaseIsForgotten:
		return s.forget(e)
	case strayArrives, strayIsLost:
		return e.who < len(s.strays) && s.strays[e.who].kind != nothing && s.stray(e)
	case processDies, processStops:
		return e.who < processes && s.processes[e.who].health == well && s.crash(e)
	case leaseExpires:
		return e.who == 0 && s.expire()
	case strangerTakes, strangerReleases:
		return e.who == 0 && s.foreign && s.strange(e.what)
	case failsOver:
		return s.failOver(e.who)
	case subscribesAgain:
		return s.subscribeAgain(e.who)
	case joins, triesOnce, leaves, givesUp, returns, isWokenForNothing:
		return s.choice(e)
	default:
		return s.course(e)
	}
}

// course applies an event that is not a claimant's choice.
func (s *step) course(e event) bool {
	me := &s.claimants[e.who]
	pending := me.request.state
	switch e.what {
	case isDue:
		return me.phase == waiting && s.due(e.who)
	case polls:
		return me.phase == waiting && s.poll(e.who)
	case accepts:
		return me.accepts && s.accept(e.who)
	case arrives:
		if pending != sent {
			return false
		}
		a := s.apply(me.request)
		me.dated = false
		if me.phase == crashed {
			me.request = request{}
			return true
		}
		me.answer, me.request.state = a, answered
	case isAnswered:
		if pending != answered {
			return false
		}
		s.receiveAnswer(e.who)
	case answerIsLost:
		if pending != answered {
			return false
		}
		s.sendAgain(e.who)
	case isRepeated:
		if pending != sent || me.phase == crashed {
			return false
		}
		s.strand(me.request)
		s.sendAgain(e.who)
	case isNotSent:
		if pending != sent || me.request.kind != enqueue && me.request.kind != try {
			return false
		}
		s.turn(e.who, stepKey{kind: turn.Failed, to: s.claim(e.who), notSent: true})
		s.turn(e.who, stepKey{kind: turn.Retried, to: s.claim(e.who)})
	case refreshes:
		if me.phase != holding || pending != unsent || !s.refreshes || e.who > 0 { // one claimant that does is enough
			return false
		}
		s.send(e.who, refresh, s.claim(e.who))
	case finishes:
		if me.phase != holding {
			return false
		}
		s.finish(e.who, false)
	case finishesYielding:
		if me.phase != holding || len(s.turnOf(e.who).Waiters) == 0 {
			return false
		}
		s.finish(e.who, true)
	case deadlinePasses:
		if me.accepts && !me.lease.over {
			me.lease.over = true
			return true
		}
		if me.phase != holding {
			return false
		}
		if s.flaw == trustsLateRefresh && me.request.kind == refresh {
			if me.lease.over {
				return false
			}
			me.lease.over = true
			return true
		}
		s.lose(e.who)
	case deadlineOfAnswerPasses:
		if me.answer.token == 0 || me.answer.over {
			return false
		}
		me.answer.over = true
	default:
		return false
	}
	return true
}

// choice applies an event that is a claimant's choice.
func (s *step) choice(e event) bool {
	me := &s.claimants[e.who]
	if s.home(e.who).health != well {
		return false
	}
	tries := s.tries && e.who == claimants-1
	switch {
	case e.what == joins && me.phase == idle && e.who < claimants-s.absent && !tries:
		me.phase = waiting
		s.turn(e.who, stepKey{kind: turn.Join, to: s.claim(e.who)})
	case e.what == triesOnce && me.phase == idle && tries:
		me.phase = trying
		s.turn(e.who, stepKey{kind: turn.Try, to: s.claim(e.who)})
	case e.what == leaves && (me.phase == waiting || me.phase == trying):
		s.leave(e.who)
	case e.what == givesUp && me.phase == releasing && me.request.state == sent:
		s.giveUp(e.who)
	case e.what == returns && me.phase == gone && s.returns && e.who == 0 && me.again == 0:
		*me = claimant{again: 1}
	case e.what == isWokenForNothing && me.phase == waiting && !s.trustsMessages():
		s.turn(e.who, stepKey{kind: turn.Woken, to: s.claim(e.who)})
	default:
		return false
	}
	return true
}
