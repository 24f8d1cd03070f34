package puro_test

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"puro"
	"puro/internal/spectest"
)

// TestMixed lets this code and the Rust program append to one directory, with small
// segments, while the program is killed now and then. Both must read the same.
func TestMixed(t *testing.T) {
	program := spectest.Program(t)
	dir := small(t)
	const each = 300
	var group sync.WaitGroup
	var done atomic.Bool
	for w := range 2 {
		group.Go(func() {
			p, err := puro.OpenProducer(dir, puro.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			for n := range each {
				b := one(fmt.Sprintf("go-%d %d", w, n))
				durable := n%10 == 0
				b.Durable = &durable
				if _, err := p.Append(b); err != nil {
					t.Errorf("go-%d %d: %v", w, n, err)
					return
				}
			}
		})
	}
	group.Go(func() { // one that works to its end
		var lines strings.Builder
		for n := range each {
			fmt.Fprintf(&lines, "rust %d\n", n)
		}
		c := exec.Command(program, "produce", dir, "--topic", "t", "--batch", "3")
		c.Stdin = strings.NewReader(lines.String())
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	var killers sync.WaitGroup
	killers.Go(func() { // and one that is killed again and again
		for n := 0; !done.Load(); n++ {
			c := exec.Command(program, "produce", dir, "--topic", "killed", "--batch", "1", "--durable")
			c.Stdin = strings.NewReader(strings.Repeat(fmt.Sprintf("killed %d\n", n), 1000))
			if err := c.Start(); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(rand.N(60 * time.Millisecond))
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	group.Wait()
	done.Store(true)
	killers.Wait()
	appendAll(t, dir, "the end") // which repairs what the last one left
	sound(t, dir)
	if out, err := exec.Command(program, "verify", dir).CombinedOutput(); err != nil {
		t.Errorf("the program's verdict: %v: %s", err, out)
	}
	out, err := exec.Command(program, "consume", "-e", "-f", `%o %t %s\n`, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	records, then := readAll(t, dir)
	if then != "" {
		t.Fatalf("the end is %q", then)
	}
	var mine []string
	count := map[string]int{}
	for _, r := range records {
		mine = append(mine, fmt.Sprintf("%d %s %s", r.Offset, r.Topic, r.Value))
		count[strings.Fields(string(r.Value))[0]]++
	}
	theirs := strings.Split(strings.TrimSpace(string(out)), "\n")
	if !slices.Equal(mine, theirs) {
		t.Errorf("%d records here, %d there, and not the same", len(mine), len(theirs))
	}
	for _, who := range []string{"go-0", "go-1", "rust"} {
		if count[who] != each {
			t.Errorf("%d records of %s, not %d", count[who], who, each)
		}
	}
	t.Logf("%d records, %d of them of killed ones", len(mine), count["killed"])
}
