package effect_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/effect"
)

// zips are the ways to run two effects at once.
var zips = map[string]func(first, second eff) eff{
	"ZipPar": func(first, second eff) eff { return effect.ZipPar(second, minus)(first) },
	"ApS":    func(first, second eff) eff { return effect.ApS(setMinus, second)(first) },
}

func minus(a, b int) int { return a - b }

func setMinus(b int) func(int) int { return func(a int) int { return a - b } }

func TestTheLawsOfZipPar(t *testing.T) {
	t.Parallel()
	laws := map[string]law{
		"ZipPar is ApS": func(m eff, _, _ from) (_, _ eff) {
			return zips["ZipPar"](m, effect.Succeed(5)), zips["ApS"](m, effect.Succeed(5))
		},
	}
	for name, zip := range zips {
		laws[name+" with a value is Map"] = func(m eff, _, _ from) (_, _ eff) {
			return zip(m, effect.Succeed(5)), effect.Map(func(a int) int { return a - 5 })(head(effect.All(0, m)))
		}
		laws[name+" of a value is Map"] = func(m eff, _, _ from) (_, _ eff) {
			return zip(effect.Succeed(5), m), effect.Map(func(b int) int { return 5 - b })(head(effect.All(0, m)))
		}
	}
	check(t, laws)
}

func TestTwoEffectsRunAtOnceAndTheFirstFailureCancelsTheOther(t *testing.T) {
	t.Parallel()
	const s = time.Second
	cleaningUp := func(err error) eff {
		return func(ctx context.Context) (int, error) { <-ctx.Done(); time.Sleep(s); return 42, err }
	}
	for name, test := range map[string]struct {
		first, second eff
		takes         time.Duration
		want          string
	}{
		"two values":              {after(2*s, effect.Succeed(5)), after(s, effect.Succeed(3)), 2 * s, "value 2"},
		"the first fails":         {after(s, effect.Fail[int](errBoom)), cleaningUp(nil), 2 * s, "boom"},
		"the second fails":        {cleaningUp(nil), after(s, effect.Fail[int](errBoom)), 2 * s, "boom"},
		"the cancelled one fails": {cleaningUp(errClose), after(s, effect.Fail[int](errBoom)), 2 * s, "boom\nclose failed"},
		"only its cancellation":   {untilCancelled[int], after(s, beside(0, 42, errBoom)), s, "boom"},
		"a panic":                 {cleaningUp(nil), after(s, panicking[int]("boom")), 2 * s, "panic: panic: boom"},
		"Goexit":                  {cleaningUp(nil), after(s, goexit[int]), 2 * s, "goexit"},
		"the caller's end":        {untilCancelled[int], cleaningUp(nil), 6 * s, "the caller's end"},
	} {
		for zip, of := range zips {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := deadline(5 * s)(t.Context())
				defer cancel()
				start := time.Now()
				o := observe(ctx, of(test.first, test.second))
				got, _, _ := strings.Cut(inWords(ctx, o), "\n\n") // without the stack
				assert.Equal(t, test.want, got, "%s: %s", zip, name)
				assert.Equal(t, test.takes, time.Since(start), "%s: %s", zip, name)
				assert.Equal(t, name == "two values", o.value != 0, "%s: %s", zip, name)
			})
		}
	}
}

// TestApSKeepsWhatTheOneOfFpGoLoses runs both. A panic of the second effect is not among the
// cases: under fp-go it ends the process.
func TestApSKeepsWhatTheOneOfFpGoLoses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			apS   func(func(int) func(int) int, eff) effect.Operator[int, int]
			keeps bool
		}{
			"effect":       {effect.ApS[int, int, int], true},
			"readerresult": {readerresult.ApS[int, int, int], false},
		} {
			var ended atomic.Bool
			cleansUp := func(ctx context.Context) (int, error) {
				<-ctx.Done()
				time.Sleep(time.Second)
				ended.Store(true)
				return 0, nil
			}
			o := observe(t.Context(), test.apS(setMinus, cleansUp)(after(time.Second, panicking[int]("boom"))))
			assert.NotNil(t, o.panicked, name)
			assert.Equal(t, test.keeps, ended.Load(), "%s: what ran beside the panic has ended", name)

			o = observe(t.Context(), test.apS(setMinus, goexit[int])(effect.Succeed(1)))
			assert.Equal(t, test.keeps, o.goexit, "%s: Goexit is no success", name)

			o = observe(t.Context(), test.apS(setMinus, after(time.Second, effect.Fail[int](errBoom)))(untilCancelled[int]))
			assert.Equal(t, test.keeps, errors.Is(o.err, errBoom), "%s: the failure, not the cancellation that it causes", name)
		}
	})
}
