package fpgo_test

import (
	"context"
	"errors"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	RR "github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
	N "github.com/IBM/fp-go/v2/number"
	"github.com/IBM/fp-go/v2/optics/lens"
	"github.com/IBM/fp-go/v2/optics/prism"
	"github.com/IBM/fp-go/v2/result"
	"github.com/IBM/fp-go/v2/retry"
	"github.com/IBM/fp-go/v2/tailrec"
	T "github.com/IBM/fp-go/v2/tuple"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// parts are what a program gives to an fp-go operator.
type parts struct {
	first  effect.Effect[int]
	second effect.Effect[int] // runs after first, beside it, or in its place
	derive func(context.Context) (context.Context, context.CancelFunc)

	asked    func(error)                         // called by the functions to which an operator hands an error
	released func(context.Context) (bool, error) // the release of a resource
}

// uses has a use of each operator that takes an effect, and of what replaces it.
var uses = map[string]func(parts) effect.Effect[int]{
	"Map":       func(p parts) effect.Effect[int] { return RR.Map(same)(p.first) },
	"MonadMap":  func(p parts) effect.Effect[int] { return RR.MonadMap(p.first, same) },
	"Let":       func(p parts) effect.Effect[int] { return RR.Let(set, same)(p.first) },
	"LetTo":     func(p parts) effect.Effect[int] { return RR.LetTo(set, 2)(p.first) },
	"LetL":      func(p parts) effect.Effect[int] { return RR.LetL(whole, same)(p.first) },
	"LetToL":    func(p parts) effect.Effect[int] { return RR.LetToL(whole, 2)(p.first) },
	"BindTo":    func(p parts) effect.Effect[int] { return RR.BindTo(same)(p.first) },
	"BindToP":   func(p parts) effect.Effect[int] { return RR.BindToP(prism.Id[int]())(p.first) },
	"Flap":      func(p parts) effect.Effect[int] { return RR.Flap[int](2)(RR.Map(set)(p.first)) },
	"MonadFlap": func(p parts) effect.Effect[int] { return RR.MonadFlap(RR.Map(set)(p.first), 2) },
	"SequenceT1": func(p parts) effect.Effect[int] {
		return RR.Map(func(t T.Tuple1[int]) int { return t.F1 })(RR.SequenceT1(p.first))
	},
	"TraverseReader":   func(p parts) effect.Effect[int] { return RR.TraverseReader(set)(p.first)(2) },
	"ToReaderResult":   func(p parts) effect.Effect[int] { return RR.FromReaderResult(RR.ToReaderResult(p.first)) },
	"FromReaderResult": func(p parts) effect.Effect[int] { return RR.FromReaderResult(RR.ToReaderResult(p.first)) },

	"ChainEitherK":       func(p parts) effect.Effect[int] { return RR.ChainEitherK(result.Of[int])(p.first) },
	"MonadChainEitherK":  func(p parts) effect.Effect[int] { return RR.MonadChainEitherK(p.first, result.Of[int]) },
	"ChainReaderK":       func(p parts) effect.Effect[int] { return RR.ChainReaderK(succeed)(p.first) },
	"MonadChainReaderK":  func(p parts) effect.Effect[int] { return RR.MonadChainReaderK(p.first, succeed) },
	"ChainOptionK":       func(p parts) effect.Effect[int] { return RR.ChainOptionK[int, int](noValue)(some)(p.first) },
	"FilterOrElse":       func(p parts) effect.Effect[int] { return RR.FilterOrElse(always, noSuch)(p.first) },
	"BindReaderK":        func(p parts) effect.Effect[int] { return RR.BindReaderK(set, read)(p.first) },
	"BindEitherK":        func(p parts) effect.Effect[int] { return RR.BindEitherK(set, result.Of[int])(p.first) },
	"BindResultK":        func(p parts) effect.Effect[int] { return RR.BindResultK(set, succeed)(p.first) },
	"ApReaderS":          func(p parts) effect.Effect[int] { return RR.ApReaderS(set, read(2))(p.first) },
	"ApResultS":          func(p parts) effect.Effect[int] { return RR.ApResultS(set)(2, nil)(p.first) },
	"ApEitherS":          func(p parts) effect.Effect[int] { return RR.ApEitherS(set, result.Of(2))(p.first) },
	"FromPredicate":      func(p parts) effect.Effect[int] { return RR.Flatten(RR.Map(RR.FromPredicate(always, noSuch))(p.first)) },
	"WithContext":        func(p parts) effect.Effect[int] { return RR.WithContext(p.first) },
	"WithContextK":       func(p parts) effect.Effect[int] { return RR.WithContextK(p.afterwards)(2) },
	"SequenceReader":     func(p parts) effect.Effect[int] { return RR.SequenceReader(RR.Map(set)(p.first))(2) },
	"Chain":              func(p parts) effect.Effect[int] { return RR.Chain(p.next)(p.first) },
	"MonadChain":         func(p parts) effect.Effect[int] { return RR.MonadChain(p.first, p.next) },
	"Bind":               func(p parts) effect.Effect[int] { return RR.Bind(set, p.next)(p.first) },
	"BindL":              func(p parts) effect.Effect[int] { return RR.BindL(whole, p.next)(p.first) },
	"TailRec":            func(p parts) effect.Effect[int] { return RR.TailRec(p.step)(1) },
	"Flatten":            func(p parts) effect.Effect[int] { return RR.Flatten(RR.Map(p.next)(p.first)) },
	"SequenceArray":      func(p parts) effect.Effect[int] { return RR.Map(last)(RR.SequenceArray(p.both())) },
	"TraverseArray":      func(p parts) effect.Effect[int] { return RR.Map(last)(RR.TraverseArray(itself)(p.both())) },
	"MonadTraverseArray": func(p parts) effect.Effect[int] { return RR.Map(last)(RR.MonadTraverseArray(p.both(), itself)) },
	"TraverseArrayWithIndex": func(p parts) effect.Effect[int] {
		return RR.Map(last)(RR.TraverseArrayWithIndex(func(_ int, e effect.Effect[int]) effect.Effect[int] { return e })(p.both()))
	},
	"SequenceT2": func(p parts) effect.Effect[int] {
		return RR.Map(T.Second[int, int])(RR.SequenceT2(p.first, p.second))
	},
	"SequenceT3": func(p parts) effect.Effect[int] {
		return RR.Map(func(t T.Tuple3[int, int, int]) int { return t.F2 })(RR.SequenceT3(p.first, p.second, RR.Of(3)))
	},
	"SequenceT4": func(p parts) effect.Effect[int] {
		return RR.Map(func(t T.Tuple4[int, int, int, int]) int { return t.F2 })(RR.SequenceT4(p.first, p.second, RR.Of(3), RR.Of(4)))
	},
	"ApplicativeMonoid": func(p parts) effect.Effect[int] {
		return RR.ApplicativeMonoid(N.MonoidSum[int]()).Concat(p.first, p.second)
	},

	"Local":        func(p parts) effect.Effect[int] { return RR.Local[int](p.derive)(p.first) },
	"ProMap":       func(p parts) effect.Effect[int] { return RR.ProMap(p.derive, same)(p.first) },
	"Promap":       func(p parts) effect.Effect[int] { return RR.Promap(p.derive, same)(p.first) },
	"ContraMap":    func(p parts) effect.Effect[int] { return RR.ContraMap[int](p.derive)(p.first) },
	"WithTimeout":  func(p parts) effect.Effect[int] { return RR.WithTimeout[int](time.Hour)(p.first) },
	"WithDeadline": func(p parts) effect.Effect[int] { return RR.WithDeadline[int](time.Now().Add(time.Hour))(p.first) },

	"MapLeft":      func(p parts) effect.Effect[int] { return RR.MapLeft[int](p.explain)(p.first) },
	"MonadMapLeft": func(p parts) effect.Effect[int] { return RR.MonadMapLeft(p.first, p.explain) },
	"BiMap":        func(p parts) effect.Effect[int] { return RR.BiMap(p.explain, same)(p.first) },
	"MonadBiMap":   func(p parts) effect.Effect[int] { return RR.MonadBiMap(p.first, p.explain, same) },
	"OrLeft": func(p parts) effect.Effect[int] {
		return RR.OrLeft[int](func(err error) RR.Reader[context.Context, error] {
			return func(context.Context) error { return p.explain(err) }
		})(p.first)
	},
	"Fold":      func(p parts) effect.Effect[int] { return RR.FromReader(RR.Fold(p.otherwise, read)(p.first)) },
	"GetOrElse": func(p parts) effect.Effect[int] { return RR.FromReader(RR.GetOrElse(p.otherwise)(p.first)) },
	"OrElse": func(p parts) effect.Effect[int] {
		return RR.OrElse(func(err error) effect.Effect[int] { p.asked(err); return p.second })(p.first)
	},
	"Alt":       func(p parts) effect.Effect[int] { return RR.Alt(F.Constant(p.second))(p.first) },
	"MonadAlt":  func(p parts) effect.Effect[int] { return RR.MonadAlt(p.first, F.Constant(p.second)) },
	"AltMonoid": func(p parts) effect.Effect[int] { return RR.AltMonoid(F.Constant(p.second)).Concat(p.first, p.second) },
	"AlternativeMonoid": func(p parts) effect.Effect[int] {
		return RR.AlternativeMonoid(N.MonoidSum[int]()).Concat(p.first, p.second)
	},

	"Ap":      func(p parts) effect.Effect[int] { return RR.Ap[int](p.second)(RR.Map(set)(p.first)) },
	"MonadAp": func(p parts) effect.Effect[int] { return RR.MonadAp(RR.Map(set)(p.first), p.second) },
	"ApS":     func(p parts) effect.Effect[int] { return RR.ApS(set, p.second)(p.first) },
	"ApSL":    func(p parts) effect.Effect[int] { return RR.ApSL(whole, p.second)(p.first) },

	"Retrying": func(p parts) effect.Effect[int] {
		policy := retry.Monoid.Concat(retry.ConstantDelay(time.Minute), retry.LimitRetries(50))
		return RR.Retrying(policy, F.Constant1[retry.RetryStatus](p.first), func(_ int, err error) bool {
			if err != nil {
				p.asked(err)
			}
			return err != nil
		})
	},
	"Bracket": func(p parts) effect.Effect[int] {
		return RR.Bracket(F.Constant(RR.Of(resource{p})), resource.use,
			func(r resource, _ int, _ error) effect.Effect[bool] { return p.released })
	},
	"WithResource": func(p parts) effect.Effect[int] {
		return RR.WithResource[int](F.Constant(RR.Of(resource{p})), func(r resource) effect.Effect[bool] { return p.released })(resource.use)
	},
	"WithCloser": func(p parts) effect.Effect[int] {
		return RR.WithCloser[int](F.Constant(RR.Of(resource{p})))(resource.use)
	},

	"effect.Map": func(p parts) effect.Effect[int] { return effect.Map(same)(p.first) },
	"effect.ZipPar": func(p parts) effect.Effect[int] {
		return effect.ZipPar(p.second, func(a, _ int) int { return a })(p.first)
	},
	"effect.ApS":    func(p parts) effect.Effect[int] { return effect.ApS(set, p.second)(p.first) },
	"effect.Within": func(p parts) effect.Effect[int] { return effect.With(p.first, effect.Within(time.Hour)) },
	"effect.Close": func(p parts) effect.Effect[int] {
		return effect.AcquireUseRelease(RR.Of(resource{p}), resource.use, effect.Close)
	},
	"effect.FlatMap":  func(p parts) effect.Effect[int] { return effect.FlatMap(p.next)(p.first) },
	"effect.MapError": func(p parts) effect.Effect[int] { return effect.MapError[int](p.explain)(p.first) },
	"effect.CatchAll": func(p parts) effect.Effect[int] {
		return effect.CatchAll(func(err error) effect.Effect[int] { p.asked(err); return p.second })(p.first)
	},
	"effect.CatchTag": func(p parts) effect.Effect[int] {
		return effect.CatchTag(func(err *mutex.LockLostError) effect.Effect[int] { p.asked(err); return p.second })(p.first)
	},
	"effect.OrElse":  func(p parts) effect.Effect[int] { return effect.OrElse(p.second)(p.first) },
	"effect.All":     func(p parts) effect.Effect[int] { return effect.Map(last)(effect.All(2, p.both()...)) },
	"effect.ForEach": func(p parts) effect.Effect[int] { return effect.Map(last)(effect.ForEach(1, itself)(p.both())) },
	"effect.Timeout": func(p parts) effect.Effect[int] { return effect.Timeout[int](time.Hour)(p.first) },
	"effect.Retry": func(p parts) effect.Effect[int] {
		return effect.Retry[int](schedule.Spaced(time.Minute).Intersect(schedule.Recurs(50)))(p.first)
	},
	"effect.AcquireUseRelease": func(p parts) effect.Effect[int] {
		return effect.AcquireUseRelease(RR.Of(resource{p}), resource.use, resource.release)
	},
}

func (p parts) next(int) effect.Effect[int]       { return p.second }
func (p parts) afterwards(int) effect.Effect[int] { return p.first }
func (p parts) both() []effect.Effect[int]        { return []effect.Effect[int]{p.first, p.second} }
func (p parts) explain(err error) error           { p.asked(err); return err }

func (p parts) otherwise(err error) RR.Reader[context.Context, int] {
	p.asked(err)
	return read(3)
}

// step is first, and then second.
func (p parts) step(n int) effect.Effect[tailrec.Trampoline[int, int]] {
	if n == 1 {
		return RR.Map(func(int) tailrec.Trampoline[int, int] { return tailrec.Bounce[int](2) })(p.first)
	}
	return RR.Map(tailrec.Land[int, int])(p.second)
}

type resource struct{ parts }

func (r resource) use() effect.Effect[int] { return r.first }

func (r resource) release(effect.Exit[any]) effect.Effect[effect.Void] {
	return func(ctx context.Context) (none effect.Void, err error) {
		_, err = r.released(ctx)
		return none, err
	}
}

func (r resource) Close() error {
	_, err := r.released(context.Background())
	return err
}

// The functions and values that operators take beside an effect.
var (
	whole  = lens.Id[int]()
	errNot = errors.New("no such value")
)

func same(n int) int                                 { return n }
func set(int) func(int) int                          { return same }
func last(ns []int) int                              { return ns[len(ns)-1] }
func itself(e effect.Effect[int]) effect.Effect[int] { return e }
func succeed(n int) (int, error)                     { return n, nil }
func some(n int) (int, bool)                         { return n, true }
func always(int) bool                                { return true }
func noSuch(int) error                               { return errNot }
func noValue() error                                 { return errNot }
func read(n int) RR.Reader[context.Context, int]     { return func(context.Context) int { return n } }
