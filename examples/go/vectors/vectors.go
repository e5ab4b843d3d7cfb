// Package vectors reads the golden vectors of Acuse: what is on each broker, byte for byte, and what it means.
package vectors

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"acuse.example/go/wire"
)

// Read gives the vectors of a file, by the names of the samples.
func Read[Vector any](t testing.TB, file string) map[string]Vector {
	t.Helper()
	content, err := os.ReadFile(folder + file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]Vector
	if err := json.Unmarshal(content, &read); err != nil {
		t.Fatal(err)
	}
	if len(read) == 0 {
		t.Fatalf("%s has no vectors", file)
	}
	return read
}

// folder of the newest version, from the folder of any package of this module, where its tests run.
const folder = "../../../test/vectors/v1/"

// Meaning is what a vector says, whichever broker and envelope it is of.
type Meaning struct {
	ID            string          `json:"id"`
	Type          string          `json:"type"`
	Version       int             `json:"version"`
	Stream        string          `json:"stream"`
	Partitions    int             `json:"partitions"`
	Key           string          `json:"key"`
	RoutingKey    string          `json:"routingKey"`
	Data          json.RawMessage `json:"data"`
	Source        string          `json:"source"`
	Time          time.Time       `json:"time"`
	Priority      string          `json:"priority"`
	CorrelationID string          `json:"correlationId"`
	CausationID   string          `json:"causationId"`
	User          string          `json:"user"`
	Tenant        string          `json:"tenant"`
	Country       string          `json:"country"`
	Traceparent   string          `json:"traceparent"`
	Tracestate    string          `json:"tracestate"`
}

// Message is the one that has this meaning.
func (w Meaning) Message() wire.Message {
	return wire.Message{
		ID: w.ID, Type: w.Type, Version: w.Version, Stream: w.Stream, Key: w.Key, Data: w.Data, Source: w.Source, Time: w.Time,
		Priority: w.Priority, CorrelationID: w.CorrelationID, CausationID: w.CausationID, User: w.User, Tenant: w.Tenant,
		Country: w.Country, Traceparent: w.Traceparent, Tracestate: w.Tracestate,
	}
}

// Difference says where a message that was read has another meaning; empty where it has this one.
func (w Meaning) Difference(m wire.Message) string {
	var data, wanted any
	if json.Unmarshal(m.Data, &data) != nil || json.Unmarshal(w.Data, &wanted) != nil || !reflect.DeepEqual(data, wanted) {
		return fmt.Sprintf("its data is %s, not %s", m.Data, w.Data)
	}
	expected := w.Message()
	// Data was compared as what it says, and an envelope does not say its stream.
	expected.Data, m.Data, m.Stream = nil, nil, expected.Stream
	if !m.Time.Equal(expected.Time) {
		return fmt.Sprintf("its time is %s, not %s", m.Time, expected.Time)
	}
	m.Time = expected.Time
	if !reflect.DeepEqual(m, expected) {
		return fmt.Sprintf("it is %+v, not %+v", m, expected)
	}
	if m.RoutingKey() != w.RoutingKey {
		return fmt.Sprintf("its routing key is %q, not %q", m.RoutingKey(), w.RoutingKey)
	}
	return ""
}
