package puro_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"puro"
)

func one(value string) puro.Batch {
	return puro.Batch{Records: []puro.Record{{Topic: []byte("t"), Value: []byte(value)}}}
}

func small(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "stream")
	if _, err := puro.Create(dir, map[string]string{"segment_bytes": "4096"}, puro.Options{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func sound(t *testing.T, dir string) {
	t.Helper()
	report, err := puro.Verify(dir, puro.Options{}, puro.VerifyOptions{Deep: true})
	if err != nil || report.Verdict != "sound" {
		t.Errorf("%q %v: %v", report.Verdict, err, report.Findings)
	}
}

// TestManyWriters lets writers roll beside each other, and a reader read beside them.
func TestManyWriters(t *testing.T) {
	dir := small(t)
	const writers, each = 4, 200
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			p, err := puro.OpenProducer(dir, puro.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			durable := w == 0
			for n := range each {
				b := one(fmt.Sprintf("%d %d", w, n))
				b.Durable = &durable
				if _, err := p.Append(b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	r, err := puro.OpenReader(dir, puro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SeekBeginning(); err != nil {
		t.Fatal(err)
	}
	last := map[int]int{}
	for count := 0; count < writers*each; {
		rec, err := r.Next()
		if err == puro.ErrEnd {
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var w, n int
		fmt.Sscan(string(rec.Value), &w, &n)
		if n != last[w] || rec.Offset != uint64(count) {
			t.Fatalf("%q at %d: out of order", rec.Value, rec.Offset)
		}
		last[w]++
		count++
	}
	group.Wait()
	sound(t, dir)
}

// TestTwoCreators makes one stream at once: one of them makes it (O-1).
func TestTwoCreators(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "stream")
	var made [8]bool
	var group sync.WaitGroup
	for i := range made {
		group.Go(func() {
			var err error
			if made[i], err = puro.Create(dir, nil, puro.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	count := 0
	for _, m := range made {
		if m {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d made it", count)
	}
	sound(t, dir)
}

// TestStartInAValue appends, as a value, what would be a block at its place (F-43). The
// place is found by trying: the value begins at another one with each length before it.
func TestStartInAValue(t *testing.T) {
	dir := small(t)
	p, err := puro.OpenProducer(dir, puro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	file, err := os.ReadFile(filepath.Join(dir, "0000000000.puro"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := puro.ParseHeader(file, false)
	if err != nil {
		t.Fatal(err)
	}
	info, err := puro.Look(dir, puro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var value []byte
	for at := info.End + 128; at < info.End+1024; at += 64 {
		evil := puro.Block{Position: at, Body: []byte("evil"), Start: puro.Start{Signal: 0xa5, Kind: 1, RecordCount: 1}}
		start := evil.Bytes(h.CRC)[:48]
		for uint64(len(value)) < at-info.End-48-10 {
			value = append(value, 'x')
		}
		value = append(value, start...)
	}
	if _, err := p.Append(one(string(value))); err != nil {
		t.Fatal(err)
	}
	file, err = os.ReadFile(filepath.Join(dir, "0000000000.puro"))
	if err != nil {
		t.Fatal(err)
	}
	for at := info.End + 64; at+48 <= uint64(len(file)); at += 64 {
		if _, stands := puro.ParseStart(file[at:at+48], h.CRC, at); stands {
			t.Errorf("a start stands at %d", at)
		}
	}
	records, _ := readAll(t, dir)
	if len(records) != 1 || !bytes.Equal(records[0].Value, value) {
		t.Error("another value was read")
	}
}

// TestLongState takes several blocks for a checkpoint (F-51).
func TestLongState(t *testing.T) {
	dir := small(t)
	p, err := puro.OpenProducer(dir, puro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	long := string(bytes.Repeat([]byte("s"), 700<<10))
	for i := range 4 {
		if err := p.Set(fmt.Sprintf("not-a-setting-%d", i), &long); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if _, err := p.Append(one(fmt.Sprint(i, long[:3000]))); err != nil {
			t.Fatal(err)
		}
	}
	sound(t, dir)
	if records, then := readAll(t, dir); len(records) != 3 || then != "" {
		t.Errorf("%d records, then %q", len(records), then)
	}
}

// waitsFor reads to the end, does something, and gives what the waiting reader is told.
func waitsFor(t *testing.T, dir string, do func()) error {
	t.Helper()
	r, err := puro.OpenReader(dir, puro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SeekBeginning(); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Next()
	}
	if err != puro.ErrEnd {
		t.Fatal(err)
	}
	do()
	for range 3 {
		if err := r.Wait(); err != nil {
			_, again := r.Next()
			if again == nil || again.Error() != err.Error() {
				t.Errorf("the answer did not last: %v", again)
			}
			return err
		}
		if _, err := r.Next(); err != puro.ErrEnd {
			return err
		}
	}
	return nil
}

// TestLookAround tells a waiting reader what became of its past.
func TestLookAround(t *testing.T) {
	with := func(values ...string) string {
		dir := small(t)
		appendAll(t, dir, values...)
		return dir
	}
	dir := with("a")
	err := waitsFor(t, dir, func() { os.Rename(dir, dir+".moved") })
	if puro.KindOf(err) != puro.Removed || err == nil {
		t.Errorf("moved: %v", err)
	}
	dir = with("a", "b")
	segment := filepath.Join(dir, "0000000000.puro")
	before, _ := os.Stat(segment)
	err = waitsFor(t, dir, func() { // the last block is lost, and others append in its place
		os.Truncate(segment, before.Size()-128)
		appendAll(t, dir, "other")
	})
	if puro.KindOf(err) != puro.Diverged || err == nil {
		t.Errorf("taken back: %v", err)
	}
}

func appendAll(t *testing.T, dir string, values ...string) {
	t.Helper()
	p, err := puro.OpenProducer(dir, puro.Options{LockWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, v := range values {
		if _, err := p.Append(one(v)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConsumer goes on where its last run committed, one owner at a time (C-2, L-10).
func TestConsumer(t *testing.T) {
	dir := small(t)
	appendAll(t, dir, "a", "b", "c")
	c, err := puro.OpenConsumer(dir, "me", puro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := puro.OpenConsumer(dir, "me", puro.Options{}); puro.KindOf(err) != puro.Busy {
		t.Errorf("a second owner: %v", err)
	}
	for range 2 {
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Commit([]puro.Record{{Topic: []byte("out"), Value: []byte("made")}}, nil); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if c, err = puro.OpenConsumer(dir, "me", puro.Options{}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, want := range []string{"c", "made"} {
		rec, err := c.Next()
		if err != nil || string(rec.Value) != want {
			t.Fatalf("%v %v, not %q", rec, err, want)
		}
	}
	sound(t, dir)
}
