package rabbit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"acuse.example/go/vectors"
	"acuse.example/go/wire"
)

// held is a message as RabbitMQ holds it.
type held struct {
	Exchange   string         `json:"exchange"`
	RoutingKey string         `json:"routingKey"`
	Properties map[string]any `json:"properties"`
	Headers    map[string]any `json:"headers"`
	Body       string         `json:"body"`
}

func TestEveryVectorIsRead(t *testing.T) {
	meanings := vectors.Read[vectors.Meaning](t, "messages")
	for _, codec := range []string{"plain", "cloudevents", "cloudevents-structured"} {
		for name, vector := range vectors.Read[held](t, "rabbitmq/"+codec) {
			id, _ := vector.Properties["messageId"].(string)
			contentType, _ := vector.Properties["contentType"].(string)
			m, err := messageOf(amqp.Delivery{
				Exchange: vector.Exchange, RoutingKey: vector.RoutingKey, MessageId: id, ContentType: contentType,
				Headers: vector.Headers, Body: []byte(vector.Body),
			})
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
		for name, vector := range vectors.Read[held](t, "rabbitmq/"+codec) {
			if vector.Headers["acuse-id"] != nil {
				// Ids of more than 255 bytes: this program chooses shorter ones.
				continue
			}
			publishing, err := publishingOf(meanings[name].Message(), encode, meanings[name].Partitions)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, codec, err)
			}
			// As JSON has numbers.
			if fmt.Sprint(publishing.Headers) != fmt.Sprint(amqp.Table(vector.Headers)) {
				t.Errorf("%s, %s: its headers are %v, not %v", name, codec, publishing.Headers, vector.Headers)
			}
			if publishing.MessageId != vector.Properties["messageId"] || publishing.ContentType != vector.Properties["contentType"] {
				t.Errorf("%s, %s: its properties are %+v, not %v", name, codec, publishing, vector.Properties)
			}
			if !sameJSON(publishing.Body, []byte(vector.Body)) {
				t.Errorf("%s, %s: its body is %s, not %s", name, codec, publishing.Body, vector.Body)
			}
		}
	}
}

func sameJSON(one, other []byte) bool {
	var a, b any
	return json.Unmarshal(one, &a) == nil && json.Unmarshal(other, &b) == nil && reflect.DeepEqual(a, b)
}
