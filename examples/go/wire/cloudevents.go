package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

const structuredType = "application/cloudevents+json"

// attributes of a CloudEvent as Acuse writes them; empty ones are left out.
func attributes(m Message) map[string]string {
	all := map[string]string{
		"specversion":   "1.0",
		"id":            m.ID,
		"source":        m.Source,
		"type":          m.Type,
		"time":          formatTime(m.Time),
		"typeversion":   strconv.Itoa(max(1, m.Version)),
		"correlationid": orElse(m.CorrelationID, m.ID),
		"partitionkey":  m.Key,
		"causationid":   m.CausationID,
		"userid":        m.User,
		"tenant":        m.Tenant,
		"country":       m.Country,
		"traceparent":   m.Traceparent,
		"tracestate":    m.Tracestate,
	}
	if m.Lane() != "normal" {
		all["priority"] = m.Lane()
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

// EncodeCloudEvent writes binary mode: attributes are headers, the data is the body.
func EncodeCloudEvent(m Message) (Encoded, error) {
	headers := map[string]string{"content-type": "application/json"}
	for name, value := range attributes(m) {
		headers["ce-"+name] = value
	}
	return Encoded{Headers: headers, Body: dataOf(m)}, nil
}

func decodeBinary(encoded Encoded) (Message, error) {
	return fromAttributes(func(name string) string { return encoded.Headers["ce-"+name] }, encoded.Body)
}

func decodeStructured(encoded Encoded) (Message, error) {
	var document map[string]json.RawMessage
	if err := json.Unmarshal(encoded.Body, &document); err != nil {
		return Message{}, fmt.Errorf("the CloudEvents document is no JSON object: %w", err)
	}
	attribute := func(name string) string {
		var text string
		// What is no text is an attribute of somebody else.
		_ = json.Unmarshal(document[name], &text)
		return text
	}
	return fromAttributes(attribute, document["data"])
}

func fromAttributes(attribute func(name string) string, data []byte) (Message, error) {
	for _, required := range []string{"id", "source", "type"} {
		if attribute(required) == "" {
			return Message{}, fmt.Errorf("the CloudEvent has no %s", required)
		}
	}
	at, err := parseTime(attribute("time"))
	if err != nil {
		return Message{}, fmt.Errorf("the CloudEvent's time: %w", err)
	}
	version, err := strconv.Atoi(orElse(attribute("typeversion"), "1"))
	if err != nil {
		return Message{}, fmt.Errorf("the CloudEvent's typeversion: %w", err)
	}
	if len(data) == 0 {
		data = []byte("null")
	}
	if !json.Valid(data) {
		return Message{}, errors.New("the CloudEvent's data is not valid JSON")
	}
	return Message{
		ID:            attribute("id"),
		Type:          attribute("type"),
		Version:       version,
		Key:           attribute("partitionkey"),
		Data:          data,
		Source:        attribute("source"),
		Time:          at,
		Priority:      knownPriority(attribute("priority")),
		CorrelationID: orElse(attribute("correlationid"), attribute("id")),
		CausationID:   attribute("causationid"),
		User:          attribute("userid"),
		Tenant:        attribute("tenant"),
		Country:       attribute("country"),
		Traceparent:   attribute("traceparent"),
		Tracestate:    attribute("tracestate"),
	}, nil
}

func dataOf(m Message) json.RawMessage {
	if len(m.Data) == 0 {
		return json.RawMessage("null")
	}
	return m.Data
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
