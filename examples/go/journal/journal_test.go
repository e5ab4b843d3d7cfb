package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnEffectHappensOnceAlsoAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	apply(t, path, "1", "1", "2")
	// What a crash leaves of a write.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"id":"3","ty`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	apply(t, path, "2", "3", "1", "4")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(content)) {
		var effect Effect
		if err := json.Unmarshal([]byte(line), &effect); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, effect.ID)
	}
	if strings.Join(ids, " ") != "1 2 3 4" {
		t.Errorf("the journal has %v", ids)
	}
}

func apply(t *testing.T, path string, ids ...string) {
	t.Helper()
	journal, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	for _, id := range ids {
		if err := journal.Apply(Effect{ID: id, Type: "order.placed", Data: json.RawMessage(`{"a":"<&>"}`)}); err != nil {
			t.Fatal(err)
		}
	}
}
