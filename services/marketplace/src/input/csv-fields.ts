/**
 * Splits one line of CSV into its fields. A quoted field may hold commas and doubled quotes; a quote inside an
 * unquoted field is an inch mark and stays. Returns the reason, as a string, when the quotes do not add up.
 *
 * A field never spans lines. The general form allows it, at a price: with a CSV library one quote left open took its
 * neighbour, a good line, along (at worst the rest of the file). No product name has a line break in it, so here an open
 * quote costs its own line.
 */
export function csvFields(text: string): string[] | string {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (text[at] === '"') {
      const closed = quotedField(text, at + 1)
      if (closed === undefined) return 'a quote is opened and not closed'
      fields.push(closed.field)
      at = closed.end
      if (at < text.length && text[at] !== ',') return 'text follows a closing quote'
    } else {
      const comma = text.indexOf(',', at)
      const end = comma === -1 ? text.length : comma
      fields.push(text.slice(at, end))
      at = end
    }
    if (at >= text.length) return fields
    at += 1
  }
}

function quotedField(text: string, start: number): { field: string; end: number } | undefined {
  let field = ''
  let from = start
  for (;;) {
    const quote = text.indexOf('"', from)
    if (quote === -1) return undefined
    field += text.slice(from, quote)
    if (text[quote + 1] !== '"') return { field, end: quote + 1 }
    field += '"'
    from = quote + 2
  }
}
