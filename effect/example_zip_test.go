package effect_test

import (
	"context"
	"fmt"
	"time"

	F "github.com/IBM/fp-go/v2/function"
	"github.com/IBM/fp-go/v2/idiomatic/context/readerresult"

	"github.com/effectlock/effectlock/effect"
)

// loaded is an effect that takes a moment.
func loaded[A any](a A) effect.Effect[A] {
	return effect.As[effect.Void](a)(effect.Sleep(time.Millisecond))
}

func ExampleZipPar() {
	greeting := effect.ZipPar(loaded(3), func(user string, mails int) string {
		return fmt.Sprintf("%s has %d mails", user, mails)
	})(loaded("ada"))

	fmt.Println(greeting(context.Background()))
	// Output: ada has 3 mails <nil>
}

// Both effects run at the same time, and load returns when both have ended.
func ExampleApS() {
	type page struct {
		user  string
		mails int
	}
	setUser := func(user string) func(page) page {
		return func(p page) page { p.user = user; return p }
	}
	setMails := func(mails int) func(page) page {
		return func(p page) page { p.mails = mails; return p }
	}

	load := F.Pipe2(
		readerresult.Do(page{}),
		effect.ApS(setUser, loaded("ada")),
		effect.ApS(setMails, loaded(3)),
	)

	fmt.Println(load(context.Background()))
	// Output: {ada 3} <nil>
}
