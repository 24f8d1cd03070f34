package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"puro"
	"puro/internal/spectest"
)

// A line of a file of vectors is a tree or a case (kit.md, "Vectors").
type vector struct {
	Tree  string            `json:"tree"`
	Files map[string]octets `json:"files"`
	ID    string            `json:"id"`
	Edits []edit            `json:"edits"`
	Steps []step            `json:"steps"`
}

type step struct {
	Request map[string]json.RawMessage `json:"request"`
	Expect  map[string]any             `json:"expect"`
	Or      []map[string]any           `json:"or"`
	Edits   []edit                     `json:"edits"`
	After   *[]edit                    `json:"after"`
}

type edit struct {
	File string  `json:"file"`
	At   *int    `json:"at"`
	Put  *octets `json:"put"`
	Xor  *byte   `json:"xor"`
	Len  *int    `json:"len"`
	Gone bool    `json:"gone"`
	Make string  `json:"make"`
	Of   string  `json:"of"`
	Copy string  `json:"copy"`
}

// files is what a directory holds, less what does not count.
type files map[string][]byte

// TestVectors puts all vectors to the driver, as puro-kit does.
func TestVectors(t *testing.T) {
	kit := filepath.Join(spectest.Vectors(t), "kit")
	names, _ := filepath.Glob(filepath.Join(kit, "*.jsonl"))
	var cases []vector
	trees := map[string]map[string]octets{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(f)
		for {
			line, err := in.ReadBytes('\n')
			if err != nil {
				break
			}
			var v vector
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if v.Files != nil {
				trees[v.Tree] = v.Files
			} else {
				cases = append(cases, v)
			}
		}
		f.Close()
	}
	failed := 0
	for _, c := range cases {
		if err := c.run(trees, func() string { return spectest.Scratch(t) }); err != nil {
			t.Errorf("%s: %v", c.ID, err)
			if failed++; failed > 20 {
				break
			}
		}
	}
	t.Logf("%d cases, %d failed", len(cases), failed)
}

func (c *vector) run(trees map[string]map[string]octets, tempDir func() string) error {
	d := &driver{producers: map[string]*puro.Producer{}, consumers: map[string]*puro.Consumer{}}
	defer d.closeAll()
	dir := ""
	place := func() (string, error) {
		if dir != "" {
			return dir, nil
		}
		dir = filepath.Join(tempDir(), "stream")
		for name, b := range trees[c.Tree] {
			if err := write(filepath.Join(dir, name), b); err != nil {
				return "", err
			}
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", err
		}
		return dir, apply(dir, c.Edits)
	}
	for i, s := range c.Steps {
		var before files
		if _, bytes := s.Request["bytes"]; len(s.Edits) > 0 || s.After != nil || c.Tree != "" || !bytes {
			at, err := place()
			if err != nil {
				return err
			}
			if err := apply(at, s.Edits); err != nil {
				return err
			}
			if before, err = content(at); err != nil {
				return err
			}
			s.Request["dir"], _ = json.Marshal(at)
		}
		line, _ := json.Marshal(s.Request)
		answer, _ := json.Marshal(d.answer(line))
		if !fits(answer, s.Expect, s.Or) {
			return fmt.Errorf("step %d: %.300s", i+1, answer)
		}
		if s.After == nil {
			continue
		}
		got, err := content(dir)
		if err != nil {
			return err
		}
		if err := compare(got, before.edited(*s.After)); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// fits says whether an answer has all fields that are expected.
func fits(answer []byte, expect map[string]any, or []map[string]any) bool {
	var got map[string]any
	if decode(answer, &got) != nil {
		return false
	}
	for _, want := range append([]map[string]any{expect}, or...) {
		b, _ := json.Marshal(want)
		var same map[string]any
		_ = decode(b, &same)
		ok := got["error"] == nil || same["error"] != nil
		for k, v := range same {
			ok = ok && reflect.DeepEqual(v, got[k])
		}
		if ok {
			return true
		}
	}
	return false
}

// decode keeps numbers of 64 bits as they are written.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}

func (e *step) UnmarshalJSON(b []byte) error {
	type plain step
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode((*plain)(e))
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o666)
}

// apply makes edits of files.
func apply(dir string, edits []edit) error {
	for _, e := range edits {
		path := filepath.Join(dir, e.File)
		var err error
		switch {
		case e.Gone:
			err = os.Remove(path)
		case e.Make == "fifo":
			err = syscall.Mkfifo(path, 0o666)
		case e.Make == "directory":
			err = os.Mkdir(path, 0o777)
		case e.Make == "link":
			elsewhere := dir + "." + strings.ReplaceAll(e.File, "/", "_")
			if err = os.Rename(path, elsewhere); os.IsNotExist(err) {
				err = write(elsewhere, nil)
			}
			if err == nil {
				err = os.Symlink(elsewhere, path)
			}
		case e.Make == "hard":
			err = os.Link(filepath.Join(dir, e.Of), path)
		default: // in place, for a handle may have the file open
			var b []byte
			if e.Copy != "" {
				b, err = os.ReadFile(filepath.Join(dir, e.Copy))
			} else if b, err = os.ReadFile(path); os.IsNotExist(err) {
				err = nil
			}
			if err == nil {
				err = write(path, e.edited(b))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e edit) edited(b []byte) []byte {
	b = bytes.Clone(b)
	grow := func(n int) {
		if len(b) < n {
			b = append(b, make([]byte, n-len(b))...)
		}
	}
	switch {
	case e.Put != nil:
		grow(*e.At + len(*e.Put))
		copy(b[*e.At:], *e.Put)
	case e.Xor != nil:
		b[*e.At] ^= *e.Xor
	case e.Len != nil:
		grow(*e.Len)
		b = b[:*e.Len]
	}
	return b
}

func (f files) edited(edits []edit) files {
	for _, e := range edits {
		if e.Gone {
			delete(f, e.File)
		} else {
			f[e.File] = e.edited(f[e.File])
		}
	}
	return f
}

func content(dir string) (files, error) {
	all := files{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		skip := strings.HasSuffix(name, ".lock") || strings.HasPrefix(name, "consumers") ||
			strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".compact")
		if err != nil || skip || !entry.Type().IsRegular() {
			return err
		}
		all[name], err = os.ReadFile(path)
		return err
	})
	return all, err
}

// compare wants the same bytes, or the same blocks: durable_to may be lower.
func compare(got, want files) error {
	highest := ""
	for name := range want {
		if strings.HasSuffix(name, ".puro") && name > highest {
			highest = name
		}
	}
	for name := range got {
		if _, there := want[name]; !there {
			return fmt.Errorf("%s was made", name)
		}
	}
	for name, w := range want {
		g, there := got[name]
		if !there {
			return fmt.Errorf("%s is missing", name)
		}
		if name == highest {
			g, w = bytes.TrimRight(g, "\x00"), bytes.TrimRight(w, "\x00")
		}
		if !bytes.Equal(g, w) && (!strings.HasSuffix(name, ".puro") || blocks(g) != blocks(w)) {
			return fmt.Errorf("%s is otherwise:\n%s\n%s", name, blocks(g), blocks(w))
		}
	}
	return nil
}

// blocks tells what stands in a segment, less what may differ.
func blocks(b []byte) string {
	h, err := puro.ParseHeader(b, false)
	if err != nil {
		return hex.EncodeToString(b)
	}
	out := hex.EncodeToString(b[:64])
	at, crc, next := uint64(64), h.CRC, h.BaseOffset
	b = append(bytes.Clone(b), make([]byte, 64)...)
	for {
		_, block := puro.CheckBlock(b[at:], h.CRC, at, crc, next, h.Generation)
		if block == nil {
			return out + "\n" + hex.EncodeToString(bytes.TrimRight(b[at:], "\x00"))
		}
		out += fmt.Sprintf("\n%d %x %d %d %d %d %d %x", at, block.Signal, block.Kind, block.RecordCount,
			block.FirstOffset, block.Timestamp, block.Epoch, unpadded(block.Body))
		at, crc, next = block.End(), block.CRC, block.Next()
	}
}

// unpadded is a body without a pad, and without an index of topics.
func unpadded(body []byte) []byte {
	var out []byte
	for len(body) > 4 {
		length, n, err := puro.Varint(body[4:])
		size := 4 + n + int(length)
		if err != nil || size > len(body) {
			break
		}
		one := body[:size]
		if !bytes.HasPrefix(one[4+n:], []byte("\x0a\x03pad")) && !bytes.HasPrefix(one[4+n:], []byte("\x0a\x06topics")) {
			out = append(out, one...)
		}
		body = body[size:]
	}
	return append(out, body...)
}
