// Package spectest finds the vectors of the specification, and the Rust program.
package spectest

import (
	"os"
	"path/filepath"
	"testing"
)

// Vectors is the directory with the vectors: PURO_SPEC says where the specification
// is; else it is looked for beside the directories above. The test is skipped where
// there is none.
func Vectors(t *testing.T) string {
	t.Helper()
	if spec := os.Getenv("PURO_SPEC"); spec != "" {
		return filepath.Join(spec, "vectors")
	}
	dir, err := os.Getwd()
	for range 6 {
		vectors := filepath.Join(dir, "spec", "vectors")
		if st, serr := os.Stat(vectors); err == nil && serr == nil && st.IsDir() {
			return vectors
		}
		dir = filepath.Dir(dir)
	}
	skip(t, "no vectors: set PURO_SPEC")
	return ""
}

// Program is the Rust program, which PURO_PROGRAM names.
func Program(t *testing.T) string {
	t.Helper()
	program := os.Getenv("PURO_PROGRAM")
	if program == "" {
		skip(t, "no program to share a directory with: set PURO_PROGRAM")
	}
	return program
}

// skip skips a test, unless PURO_NO_SKIPS says that none may be.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("PURO_NO_SKIPS") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Scratch is a directory that goes with the test; in memory where there is room, for the
// thousands of syncs of the vectors.
func Scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "puro")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
