package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// facts are what a reader needs to know to judge the figures.
type facts struct {
	date, command, machine, arrangement, load, versions string
	quick                                               bool
	peers                                               []peer
	warnings                                            []string
}

func describe(ctx context.Context, m *machine, b *bench) facts {
	f := facts{
		date:     time.Now().Format(time.DateOnly),
		command:  strings.Join(append([]string{"go run ."}, os.Args[1:]...), " "),
		machine:  fmt.Sprintf("%s, %d cores, %s/%s", cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
		load:     loadAverage(),
		quick:    b.quick,
		peers:    b.peers,
		warnings: m.warnings,
	}
	f.arrangement = fmt.Sprintf("server on core %d, clients on core %d with GOMAXPROCS=1, each core kept awake by an idle-priority loop", m.serverCore, m.clientCore)
	if m.serverCore == noCore {
		f.arrangement = "clients with GOMAXPROCS=1"
	}
	f.versions = strings.Join(append([]string{runtime.Version(), redisVersion(ctx), "effectlock at " + commit(ctx)}, moduleVersions()...), ", ")
	return f
}

func (f facts) write(b *strings.Builder) {
	for _, fact := range [][2]string{
		{"date", f.date}, {"command", "`" + f.command + "` in `bench/`"}, {"machine", f.machine}, {"arrangement", f.arrangement},
		{"load average before", f.load}, {"versions", f.versions},
	} {
		fmt.Fprintf(b, "- %s: %s\n", fact[0], fact[1])
	}
	if f.quick {
		b.WriteString("- **one short round (`-quick`): this shows only that the program works; do not rely on the figures**\n")
	} else {
		b.WriteString("- the libraries take turns in each round; each measurement has its own process and server\n")
	}
	for _, w := range f.warnings {
		fmt.Fprintf(b, "- **%s**\n", w)
	}
	b.WriteString("\n")
	writeRow(b, []string{"library", "set-up"})
	writeRow(b, []string{"---", "---"})
	for _, p := range f.peers {
		writeRow(b, []string{p.name, p.about})
	}
}

func redisVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, serverBinary(), "--version").Output()
	for word := range strings.FieldsSeq(string(out)) {
		if version, ok := strings.CutPrefix(word, "v="); ok && err == nil {
			return "Redis " + version
		}
	}
	return "Redis of unknown version"
}

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=, changed since", "--abbrev=10", "--exclude=*").Output()
	if err != nil {
		return "an unknown commit"
	}
	return strings.TrimSpace(string(out))
}

func moduleVersions() []string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var versions []string
	for _, want := range []string{
		"github.com/redis/go-redis/v9", "github.com/redis/rueidis", "github.com/go-redsync/redsync/v4", "github.com/bsm/redislock",
	} {
		for _, m := range build.Deps {
			if m.Path == want {
				versions = append(versions, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
			}
		}
	}
	return versions
}
