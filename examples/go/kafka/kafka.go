// Package kafka reads and writes streams of Acuse on Kafka.
package kafka

import (
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"acuse.example/go/wire"
)

const (
	idHeader       = "acuse-id"
	typeHeader     = "acuse-type"
	priorityHeader = "acuse-priority"
)

// #region record

// recordOf is a message as Acuse publishes it; its stream is the topic.
func recordOf(m wire.Message, encode wire.Codec) (*kgo.Record, error) {
	encoded, err := encode(m)
	if err != nil {
		return nil, err
	}
	record := &kgo.Record{Topic: m.Stream, Value: encoded.Body}
	if key := m.RoutingKey(); key != "" {
		record.Key = []byte(key)
	}
	for _, name := range slices.Sorted(maps.Keys(encoded.Headers)) {
		add(record, kafkaName(name), encoded.Headers[name])
	}
	add(record, idHeader, m.ID)
	add(record, typeHeader, m.Type)
	add(record, priorityHeader, m.Lane())
	return record, nil
}

// kafkaName: attributes of CloudEvents begin with ce_ on Kafka.
func kafkaName(name string) string {
	if attribute, is := strings.CutPrefix(name, "ce-"); is {
		return "ce_" + attribute
	}
	return name
}

// #endregion

func add(record *kgo.Record, name, value string) {
	record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
}

func headerOf(record *kgo.Record, name string) string {
	for _, header := range record.Headers {
		if header.Key == name {
			return string(header.Value)
		}
	}
	return ""
}

// messageOf is a record as a message.
func messageOf(record *kgo.Record) (wire.Message, error) {
	headers := map[string]string{}
	for _, header := range record.Headers {
		name := header.Key
		if attribute, is := strings.CutPrefix(name, "ce_"); is {
			name = "ce-" + attribute
		}
		headers[name] = string(header.Value)
	}
	m, err := wire.Decode(wire.Encoded{Headers: headers, Body: record.Value})
	if err != nil {
		return m, err
	}
	m.Stream = record.Topic
	if id := headers[idHeader]; id != "" {
		m.ID = id
	}
	if name := headers[typeHeader]; name != "" {
		m.Type = name
	}
	return m, nil
}
