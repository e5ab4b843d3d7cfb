// Package wire reads and writes messages as Acuse does, whatever broker they travel by.
package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Message is one event. Empty texts were not said.
type Message struct {
	ID      string
	Type    string
	Version int
	Stream  string
	// Key is what order is kept for; empty for a message without order.
	Key           string
	Data          json.RawMessage
	Source        string
	Time          time.Time
	Priority      string
	CorrelationID string
	CausationID   string
	User          string
	Tenant        string
	Country       string
	Traceparent   string
	Tracestate    string
}

// Encoded is what a broker carries: headers, with the content type among them, and a body.
type Encoded struct {
	Headers map[string]string
	Body    []byte
}

// Codec turns a message into what a broker carries.
type Codec func(Message) (Encoded, error)

// CodecNamed finds a codec by the name that its vectors have.
func CodecNamed(name string) (Codec, error) {
	switch name {
	case "plain":
		return EncodePlain, nil
	case "cloudevents":
		return EncodeCloudEvent, nil
	}
	return nil, fmt.Errorf("codec %q is not known: plain or cloudevents", name)
}

// Decode reads whichever envelope it is given: a CloudEvent in either mode, or the plain one.
func Decode(encoded Encoded) (Message, error) {
	switch {
	case strings.HasPrefix(encoded.Headers["content-type"], structuredType):
		return decodeStructured(encoded)
	case encoded.Headers["ce-specversion"] != "":
		return decodeBinary(encoded)
	}
	return decodePlain(encoded)
}

// #region routing-key

// RoutingKey is what routes and orders a message: the keys of two tenants never meet.
func (m Message) RoutingKey() string {
	if m.Key == "" || m.Tenant == "" {
		return m.Key
	}
	tenant := strings.NewReplacer("%", "%25", "/", "%2F").Replace(m.Tenant)
	return "@" + tenant + "/" + m.Key
}

// #endregion

// timeText has milliseconds, always, and UTC.
const timeText = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string {
	return t.UTC().Format(timeText)
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.UnixMilli(0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UTC(), err
}

// Lane is the message's priority, which is normal where nothing else is said.
func (m Message) Lane() string {
	return knownPriority(m.Priority)
}

func knownPriority(text string) string {
	if text == "high" || text == "critical" {
		return text
	}
	return "normal"
}
