package puro

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Kinds of control records (format.md, chapter 7).
const (
	kindSetting  = "setting"
	kindEpoch    = "epoch"
	kindPosition = "position"
	kindProducer = "producer"
	kindGap      = "gap"
	kindPad      = "pad"
)

// Entry is one entry of the state. In a change a nil Value removes it.
type Entry struct {
	Kind, Key string
	Value     []byte
}

// State is the fold of all entries (F-37). Kinds that are not known are carried
// along like any other (F-32).
type State struct {
	entries map[[2]string][]byte
	newest  epochEntry // of the entries epoch, the one with the highest number
}

type epochEntry struct {
	number uint32
	first  uint64
	boot   [16]byte
}

func newState() *State { return &State{entries: map[[2]string][]byte{}} }

// fold sets or removes one entry of a block that begins at this offset. Every writer
// needs the entries epoch: one that does not fit is damage (F-32, F-35).
func (s *State) fold(c controlRecord, firstOffset uint64) error {
	if c.key == nil {
		return nil
	}
	key := [2]string{string(c.kind), string(c.key)}
	if key[0] == kindEpoch && (len(c.key) != 4 || c.value != nil && len(c.value) != 32) {
		return failf(Damaged, "an entry epoch that is none")
	}
	if c.value == nil {
		delete(s.entries, key)
	} else {
		s.entries[key] = append([]byte{}, c.value...)
	}
	if key[0] == kindEpoch {
		s.newest = epochEntry{}
		all := s.epochs()
		slices.SortFunc(all, func(a, b epochEntry) int { return cmp.Compare(a.number, b.number) })
		for _, e := range all {
			if e.first < s.newest.first {
				return failf(Damaged, "an epoch begins below the one before it")
			}
			s.newest = e
		}
		if c.value != nil && binary.LittleEndian.Uint64(c.value) > firstOffset {
			return failf(Damaged, "an epoch begins behind the block that tells of it")
		}
	}
	return nil
}

func (s *State) epochs() []epochEntry {
	var all []epochEntry
	for k, v := range s.entries {
		if k[0] == kindEpoch {
			e := epochEntry{number: binary.LittleEndian.Uint32([]byte(k[1])), first: binary.LittleEndian.Uint64(v)}
			copy(e.boot[:], v[8:24])
			all = append(all, e)
		}
	}
	return all
}

// Get gives the value of an entry, or nil.
func (s *State) Get(kind, key string) []byte { return s.entries[[2]string{kind, key}] }

// Entries lists the state, ascending by kind and then by key (F-37).
func (s *State) Entries() []Entry {
	all := make([]Entry, 0, len(s.entries))
	for k, v := range s.entries {
		all = append(all, Entry{k[0], k[1], v})
	}
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	return all
}

// NewestEpoch is the highest number of an entry epoch, 0 where there is none (E-2).
func (s *State) NewestEpoch() uint32 { return s.newest.number }

// ofBoot says whether the newest epoch is of this boot, which must be known (M-7).
func (s *State) ofBoot(boot [16]byte) bool {
	return s.newest.number > 0 && boot != [16]byte{} && s.newest.boot == boot
}

// diverged says whether a history with this next offset has lost that of a token (E-7).
func (s *State) diverged(t Token, next uint64) bool {
	if next < t.Offset {
		return true
	}
	if t.Epoch == 0 {
		return false
	}
	if t.Epoch > s.newest.number {
		return true
	}
	for _, e := range s.epochs() {
		if e.number > t.Epoch && e.first < t.Offset {
			return true
		}
	}
	return false
}

func appendEntry(b []byte, e Entry) ([]byte, error) {
	return appendRecord(b, &Record{Topic: []byte(e.Kind), Key: append([]byte{}, e.Key...), Value: e.Value}, true)
}

func epochKey(number uint32) string { return string(binary.LittleEndian.AppendUint32(nil, number)) }

// newEpoch is the entry of an epoch (F-35).
func newEpoch(number uint32, first uint64, boot [16]byte, time uint64) Entry {
	v := binary.LittleEndian.AppendUint64(nil, first)
	v = append(v, boot[:]...)
	return Entry{kindEpoch, epochKey(number), binary.LittleEndian.AppendUint64(v, time)}
}

// position is the value of an entry of that kind (F-36).
type position struct {
	epoch  uint32
	offset uint64
	time   uint64
}

func (p position) value() []byte {
	v := binary.LittleEndian.AppendUint32(nil, p.epoch)
	v = binary.LittleEndian.AppendUint64(v, p.offset)
	return binary.LittleEndian.AppendUint64(v, p.time)
}

// parsePosition takes what is no position for none (C-2).
func parsePosition(v []byte) (position, bool) {
	if len(v) != 20 {
		return position{}, false
	}
	return position{binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint64(v[4:]), binary.LittleEndian.Uint64(v[12:])}, true
}

// identity is the value of an entry producer (F-36).
type identity struct {
	sequence uint64
	first    uint64
	count    uint32
	epoch    uint32
	time     uint64
}

func (i identity) value() []byte {
	v := binary.LittleEndian.AppendUint64(nil, i.sequence)
	v = binary.LittleEndian.AppendUint64(v, i.first)
	v = binary.LittleEndian.AppendUint32(v, i.count)
	v = binary.LittleEndian.AppendUint32(v, i.epoch)
	return binary.LittleEndian.AppendUint64(v, i.time)
}

func parseIdentity(v []byte) (identity, error) {
	if len(v) != 32 {
		return identity{}, failf(Damaged, "an entry producer that is none") // F-32
	}
	return identity{binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:]),
		binary.LittleEndian.Uint32(v[16:]), binary.LittleEndian.Uint32(v[20:]), binary.LittleEndian.Uint64(v[24:])}, nil
}

// checkpointBodies divides the state among the bodies of a checkpoint (F-37, F-51).
func (s *State) checkpointBodies() ([][]byte, error) {
	var bodies [][]byte
	var body []byte
	for _, e := range s.Entries() {
		one, err := appendEntry(nil, e)
		if err != nil {
			return nil, err
		}
		if len(body) > 0 && len(body)+len(one) > checkpointBodyBytes {
			bodies = append(bodies, body)
			body = nil
		}
		body = append(body, one...)
	}
	return append(bodies, body), nil
}
