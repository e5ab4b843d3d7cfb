// Package journal keeps effects in a file, each at most once: what stands in for the database of a real service.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Effect is what a message has done. Its id is in it, so that the effect and the note that it has happened are one write, as they would
// be one transaction in a database: `insert into inbox (id) values ($1) on conflict do nothing`, and on 0 rows nothing else.
type Effect struct {
	ID            string          `json:"id"`
	Type          string          `json:"type"`
	Version       int             `json:"version"`
	Key           string          `json:"key"`
	Tenant        string          `json:"tenant"`
	CorrelationID string          `json:"correlationId"`
	Data          json.RawMessage `json:"data"`
}

// Journal is for one process at a time.
type Journal struct {
	file *os.File
	seen map[string]bool
}

// Open reads which messages have had their effect. A line that a crash left unfinished is cut off: its message comes again.
func Open(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: file, seen: map[string]bool{}}
	if err := j.load(); err != nil {
		file.Close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

func (j *Journal) load() error {
	reader := bufio.NewReader(j.file)
	whole := int64(0)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var effect Effect
		if err := json.Unmarshal(line, &effect); err != nil {
			return fmt.Errorf("the line at byte %d is not valid: %w", whole, err)
		}
		j.seen[effect.ID] = true
		whole += int64(len(line))
	}
	if err := j.file.Truncate(whole); err != nil {
		return err
	}
	_, err := j.file.Seek(whole, io.SeekStart)
	return err
}

// Apply has the effect, unless the message had it before. When it returns, the effect is on disk.
func (j *Journal) Apply(effect Effect) error {
	if j.seen[effect.ID] {
		return nil
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(effect); err != nil {
		return err
	}
	if _, err := j.file.Write(line.Bytes()); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.seen[effect.ID] = true
	return nil
}

// Close closes the file.
func (j *Journal) Close() error {
	return j.file.Close()
}
