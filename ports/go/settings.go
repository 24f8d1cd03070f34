package puro

import (
	"strconv"
	"strings"
)

// What a setting of the table can be (F-34, F-53).
type settingKind int

const (
	anyNumber settingKind = iota
	segmentNumber
	truth
	cleanup
)

type settingRule struct {
	kind    settingKind
	missing string // the default
}

var settingRules = map[string]settingRule{
	"segment_bytes":               {segmentNumber, "67108864"},
	"retention_ms":                {anyNumber, "0"},
	"retention_bytes":             {anyNumber, "0"},
	"roll_ms":                     {anyNumber, "0"},
	"cleanup":                     {cleanup, "delete"},
	"marker_grace_ms":             {anyNumber, "86400000"},
	"pin_grace_ms":                {anyNumber, "300000"},
	"expiry_ms":                   {anyNumber, "604800000"},
	"keep_unconsumed":             {truth, "false"},
	"keep_unconsumed_limit_bytes": {anyNumber, "0"},
	"keep_unconsumed_limit_ms":    {anyNumber, "0"},
	"durable":                     {truth, "false"},
}

const (
	minSegmentBytes = 4096
	maxSegmentBytes = 1 << 40
)

func ruleOf(name string) (settingRule, bool) {
	if r, ok := settingRules[name]; ok {
		return r, true
	}
	if topic, ok := strings.CutPrefix(name, "cleanup:"); ok && topic != "" {
		return settingRule{kind: cleanup}, true
	}
	return settingRule{}, false
}

func (r settingRule) allows(value string) bool {
	switch r.kind {
	case truth:
		return value == "true" || value == "false"
	case cleanup:
		return value == "delete" || value == "compact" || value == "compact,delete"
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != value {
		return false
	}
	return r.kind != segmentNumber || n >= minSegmentBytes && n <= maxSegmentBytes
}

// SettingText is what holds of a setting: what is set, or the default where that
// cannot be. A name that is no setting, or has no default, gives false.
func SettingText(name string, value []byte) (string, bool) {
	rule, known := ruleOf(name)
	if !known {
		return "", false
	}
	if value != nil && rule.allows(string(value)) {
		return string(value), true
	}
	return rule.missing, rule.missing != ""
}

// checkSetting refuses what a setting of the table cannot be (F-53).
func checkSetting(name, value string) error {
	if err := checkSettingName(name); err != nil {
		return err
	}
	if rule, known := ruleOf(name); known && !rule.allows(value) {
		return failf(Refused, "setting %s cannot be %q", name, value)
	}
	return nil
}

func checkSettingName(name string) error {
	if name == "" || len(name) > MaxKeyBytes {
		return failf(Refused, "a setting cannot be called %q", name)
	}
	return nil
}

func (s *State) segmentBytes() uint64 {
	text, _ := SettingText("segment_bytes", s.Get(kindSetting, "segment_bytes"))
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

func (s *State) durable() bool {
	text, _ := SettingText("durable", s.Get(kindSetting, "durable"))
	return text == "true"
}
