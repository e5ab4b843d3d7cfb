package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// plainEnvelope is the whole body.
type plainEnvelope struct {
	EventType   string          `json:"eventType"`
	EventID     string          `json:"eventId"`
	Timestamp   string          `json:"timestamp"`
	Version     string          `json:"version"`
	AggregateID string          `json:"aggregateId,omitempty"`
	Data        json.RawMessage `json:"data"`
	Metadata    plainMetadata   `json:"metadata"`
}

type plainMetadata struct {
	Service       string `json:"service"`
	CorrelationID string `json:"correlationId"`
	CausationID   string `json:"causationId,omitempty"`
	UserID        string `json:"userId,omitempty"`
	Tenant        string `json:"tenant,omitempty"`
	Country       string `json:"country,omitempty"`
	Traceparent   string `json:"traceparent,omitempty"`
	Tracestate    string `json:"tracestate,omitempty"`
	Priority      string `json:"priority,omitempty"`
}

// EncodePlain writes the plain envelope. The version's first number is the type's version.
func EncodePlain(m Message) (Encoded, error) {
	envelope := plainEnvelope{
		EventType:   m.Type,
		EventID:     m.ID,
		Timestamp:   formatTime(m.Time),
		Version:     fmt.Sprintf("%d.0", max(1, m.Version)),
		AggregateID: m.Key,
		Data:        dataOf(m),
		Metadata: plainMetadata{
			Service:       m.Source,
			CorrelationID: orElse(m.CorrelationID, m.ID),
			CausationID:   m.CausationID,
			UserID:        m.User,
			Tenant:        m.Tenant,
			Country:       m.Country,
			Traceparent:   m.Traceparent,
			Tracestate:    m.Tracestate,
		},
	}
	if m.Lane() != "normal" {
		envelope.Metadata.Priority = m.Lane()
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	// Data stays as it was given; by default <, > and & would be escaped.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(envelope); err != nil {
		return Encoded{}, fmt.Errorf("message %s %s cannot be encoded: %w", m.Type, m.ID, err)
	}
	return Encoded{
		Headers: map[string]string{"content-type": "application/json"},
		Body:    bytes.TrimSuffix(body.Bytes(), []byte("\n")),
	}, nil
}

func decodePlain(encoded Encoded) (Message, error) {
	var envelope plainEnvelope
	if err := json.Unmarshal(encoded.Body, &envelope); err != nil {
		return Message{}, fmt.Errorf("the envelope is not valid JSON: %w", err)
	}
	if envelope.EventID == "" || envelope.EventType == "" {
		return Message{}, errors.New("the envelope has no eventId or no eventType")
	}
	at, err := parseTime(envelope.Timestamp)
	if err != nil {
		return Message{}, fmt.Errorf("the envelope's timestamp: %w", err)
	}
	first, _, _ := strings.Cut(orElse(envelope.Version, "1.0"), ".")
	version, err := strconv.Atoi(first)
	if err != nil {
		return Message{}, fmt.Errorf("the envelope's version: %w", err)
	}
	m := Message{
		ID:            envelope.EventID,
		Type:          envelope.EventType,
		Version:       version,
		Key:           envelope.AggregateID,
		Data:          envelope.Data,
		Source:        orElse(envelope.Metadata.Service, "unknown"),
		Time:          at,
		Priority:      knownPriority(envelope.Metadata.Priority),
		CorrelationID: orElse(envelope.Metadata.CorrelationID, envelope.EventID),
		CausationID:   envelope.Metadata.CausationID,
		User:          envelope.Metadata.UserID,
		Tenant:        envelope.Metadata.Tenant,
		Country:       envelope.Metadata.Country,
		Traceparent:   envelope.Metadata.Traceparent,
		Tracestate:    envelope.Metadata.Tracestate,
	}
	m.Data = dataOf(m)
	return m, nil
}
