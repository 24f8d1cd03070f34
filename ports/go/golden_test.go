package puro_test

import (
	"os"
	"path/filepath"
	"testing"

	"puro"
	"puro/internal/spectest"
)

// golden is the table of spec/vectors/README.md.
var golden = []struct {
	name    string
	verdict string
	records int
	then    puro.Kind // "" is the end
}{
	{"empty", "sound", 0, ""},
	{"records", "sound", 9, ""},
	{"rollover", "sound", 12, ""},
	{"epochs", "sound", 3, ""},
	{"boot_id", "sound", 1, ""},
	{"zeros", "sound", 2, ""},
	{"low_tail", "repairable", 2, ""},
	{"torn_tail", "repairable", 2, ""},
	{"lost_tail", "repairable", 1, ""},
	{"repaired", "sound", 2, ""},
	{"damaged_tail", "damaged", 0, ""},
	{"damaged_sealed", "damaged", 5, puro.Damaged},
}

func TestGoldenStreams(t *testing.T) {
	vectors := spectest.Vectors(t)
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			dir := copyOf(t, filepath.Join(vectors, g.name))
			report, err := puro.Verify(dir, puro.Options{}, puro.VerifyOptions{Deep: true, NoPause: true})
			if err != nil || report.Verdict != g.verdict {
				t.Errorf("verdict %q (%v), not %q", report.Verdict, err, g.verdict)
			}
			records, then := readAll(t, dir)
			if len(records) != g.records || then != g.then {
				t.Errorf("%d records, then %q; not %d, then %q", len(records), then, g.records, g.then)
			}
		})
	}
}

// TestRecordsAnew makes the bytes of the golden stream records once more.
func TestRecordsAnew(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(spectest.Vectors(t), "records", "0000000000.puro"))
	if err != nil {
		t.Fatal(err)
	}
	now := uint64(1767225600000)
	id, boot := [16]byte{}, [16]byte{}
	for i := range id {
		id[i], boot[i] = byte(0x10+i), 0xb1
	}
	dir := filepath.Join(t.TempDir(), "stream")
	o := puro.Options{Clock: func() uint64 { return now }, Boot: &boot, StreamID: &id}
	if made, err := puro.Create(dir, nil, o); err != nil || !made {
		t.Fatal(made, err)
	}
	p, err := puro.OpenProducer(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	records, _ := readAll(t, filepath.Join(spectest.Vectors(t), "records"))
	for len(records) > 0 {
		n := 1
		for n < len(records) && records[n].Time == records[0].Time {
			n++
		}
		now = records[0].Time
		if _, err := p.Append(puro.Batch{Records: records[:n]}); err != nil {
			t.Fatal(err)
		}
		records = records[n:]
	}
	got, err := os.ReadFile(filepath.Join(dir, "0000000000.puro"))
	if err != nil || string(got) != string(want) {
		t.Errorf("%d other bytes (%v)", len(got), err)
	}
}

func copyOf(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "stream")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func readAll(t *testing.T, dir string) ([]puro.Record, puro.Kind) {
	t.Helper()
	r, err := puro.OpenReader(dir, puro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SeekBeginning(); err != nil {
		t.Fatal(err)
	}
	var all []puro.Record
	for {
		rec, err := r.Next()
		if err == puro.ErrEnd {
			return all, ""
		}
		if err != nil {
			return all, puro.KindOf(err)
		}
		all = append(all, *rec)
	}
}
