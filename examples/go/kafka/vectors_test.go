package kafka

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"acuse.example/go/vectors"
	"acuse.example/go/wire"
)

// held is a message as Kafka holds it.
type held struct {
	Topic     string            `json:"topic"`
	Partition int               `json:"partition"`
	Key       *string           `json:"key"`
	Headers   map[string]string `json:"headers"`
	Value     string            `json:"value"`
}

func TestEveryVectorIsRead(t *testing.T) {
	meanings := vectors.Read[vectors.Meaning](t, "messages")
	for _, codec := range []string{"plain", "cloudevents", "cloudevents-structured"} {
		for name, vector := range vectors.Read[held](t, "kafka/"+codec) {
			record := &kgo.Record{Topic: vector.Topic, Value: []byte(vector.Value)}
			for header, value := range vector.Headers {
				add(record, header, value)
			}
			m, err := messageOf(record)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, codec, err)
			}
			if difference := meanings[name].Difference(m); difference != "" {
				t.Errorf("%s, %s: %s", name, codec, difference)
			}
		}
	}
}

func TestWhatIsPublishedIsTheVector(t *testing.T) {
	meanings := vectors.Read[vectors.Meaning](t, "messages")
	for _, codec := range []string{"plain", "cloudevents"} {
		encode, err := wire.CodecNamed(codec)
		if err != nil {
			t.Fatal(err)
		}
		for name, vector := range vectors.Read[held](t, "kafka/"+codec) {
			meaning := meanings[name]
			record, err := recordOf(meaning.Message(), encode)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, codec, err)
			}
			headers := map[string]string{}
			for _, header := range record.Headers {
				headers[header.Key] = string(header.Value)
			}
			if !reflect.DeepEqual(headers, vector.Headers) {
				t.Errorf("%s, %s: its headers are %v, not %v", name, codec, headers, vector.Headers)
			}
			if (vector.Key == nil) != (record.Key == nil) || vector.Key != nil && string(record.Key) != *vector.Key {
				t.Errorf("%s, %s: its key is %q", name, codec, record.Key)
			}
			if got := partitioner(vector.Topic)(record, meaning.Partitions); got != vector.Partition {
				t.Errorf("%s, %s: its partition is %d, not %d", name, codec, got, vector.Partition)
			}
			if !sameJSON(record.Value, []byte(vector.Value)) {
				t.Errorf("%s, %s: its value is %s, not %s", name, codec, record.Value, vector.Value)
			}
		}
	}
}

func sameJSON(one, other []byte) bool {
	var a, b any
	return json.Unmarshal(one, &a) == nil && json.Unmarshal(other, &b) == nil && reflect.DeepEqual(a, b)
}
