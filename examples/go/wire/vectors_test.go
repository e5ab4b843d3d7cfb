package wire_test

import (
	"testing"

	"acuse.example/go/vectors"
	"acuse.example/go/wire"
)

func TestAKeyIsInThePartitionOfItsVector(t *testing.T) {
	type hashed struct {
		Partitions map[string]int `json:"partitions"`
	}
	counts := map[string]int{"1": 1, "2": 2, "3": 3, "4": 4, "12": 12, "256": 256}
	for key, expected := range vectors.Read[hashed](t, "partitions") {
		for text, count := range counts {
			if got := wire.Partition(wire.Message{Key: key}, count); got != expected.Partitions[text] {
				t.Errorf("key %q of %d: partition %d, not %d", key, count, got, expected.Partitions[text])
			}
			if got := wire.Partition(wire.Message{ID: key}, count); got != expected.Partitions[text] {
				t.Errorf("id %q of %d: partition %d, not %d", key, count, got, expected.Partitions[text])
			}
		}
	}
}

func TestWhatIsEncodedIsDecodedAsItWas(t *testing.T) {
	for name, meaning := range vectors.Read[vectors.Meaning](t, "messages") {
		for _, codec := range []string{"plain", "cloudevents"} {
			encode, err := wire.CodecNamed(codec)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := encode(meaning.Message())
			if err != nil {
				t.Fatal(err)
			}
			decoded, err := wire.Decode(encoded)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, codec, err)
			}
			if difference := meaning.Difference(decoded); difference != "" {
				t.Errorf("%s, %s: %s", name, codec, difference)
			}
		}
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	event := map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}
	structured := map[string]string{"content-type": "application/cloudevents+json"}
	for name, encoded := range map[string]wire.Encoded{
		"no JSON":             {Body: []byte("{")},
		"no id":               {Body: []byte(`{"eventType":"a"}`)},
		"a broken time":       {Body: []byte(`{"eventType":"a","eventId":"1","timestamp":"noon"}`)},
		"an event's data":     {Headers: event, Body: []byte("{")},
		"an event without id": {Headers: map[string]string{"ce-specversion": "1.0"}, Body: []byte("{}")},
		"a document":          {Headers: structured, Body: []byte("[]")},
	} {
		if m, err := wire.Decode(encoded); err == nil {
			t.Errorf("%s was decoded: %+v", name, m)
		}
	}
}

func TestAnUnknownCodecIsNamed(t *testing.T) {
	if _, err := wire.CodecNamed("xml"); err == nil {
		t.Error("it was found")
	}
}
