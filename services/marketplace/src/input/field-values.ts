/** A value, or the reason there is none. */
export type Read<T> = { value: T } | { reason: string }

const MAX_QUANTITY = 10_000
export const MAX_DESCRIPTION = 200

const PRICE = /^(\d{1,5})(?:\.(\d{1,2})0*)?$/
const MOMENT = /^(\d{2})-(\d{2})-(\d{4}) (\d{1,2}):(\d{2})$/
const WHOLE_NUMBER = /^-?\d+$/

/** Pounds as text to whole pence, digit by digit: `2.1` is 210. Through a float, 1.15 × 100 is 114.99999999999999. */
export function readPence(text: string): Read<number> {
  if (text === '') return { reason: 'the price is missing' }
  if (text.startsWith('-')) return { reason: `the price ${quoted(text)} is negative` }
  const match = PRICE.exec(text)
  if (match === null) {
    if (/^\d{6,}(\.\d+)?$/.test(text)) return { reason: `the price ${quoted(text)} is above 99999.99` }
    if (/^\d+\.\d+$/.test(text)) return { reason: `the price ${quoted(text)} has a fraction of a penny` }
    return { reason: `the price ${quoted(text)} is not an amount` }
  }
  const [, pounds = '', pence = ''] = match
  return { value: Number(pounds + pence.padEnd(2, '0')) }
}

/** A whole number of units, never zero, its sign kept. */
export function readQuantity(text: string): Read<number> {
  if (text === '') return { reason: 'the quantity is missing' }
  if (!WHOLE_NUMBER.test(text)) return { reason: `the quantity ${quoted(text)} is not a whole number` }
  const value = Number(text)
  if (value === 0) return { reason: 'the quantity is zero' }
  if (Math.abs(value) > MAX_QUANTITY) return { reason: `the quantity ${quoted(text)} is beyond ${MAX_QUANTITY}` }
  return { value }
}

/** `MM-DD-YYYY HH:MM` to ISO 8601. The source names no zone, so it is read as UTC on every machine. */
export function readMoment(text: string): Read<string> {
  const match = MOMENT.exec(text)
  if (match === null) return { reason: `the date ${quoted(text)} is not MM-DD-YYYY HH:MM` }
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0] = match.slice(1).map(Number)
  const moment = new Date(Date.UTC(year, month - 1, day, hour, minute))
  // Date.UTC rolls 02-30 over to March; a date that does not come back as it went in never was one.
  const kept =
    moment.getUTCFullYear() === year &&
    moment.getUTCMonth() === month - 1 &&
    moment.getUTCDate() === day &&
    moment.getUTCHours() === hour &&
    moment.getUTCMinutes() === minute
  return kept ? { value: moment.toISOString() } : { reason: `the date ${quoted(text)} is not in the calendar` }
}

/** A code of letters, digits, `_`, `-` and `.`, with single spaces inside (`BANK CHARGES` is one), 32 characters at most. */
export function readCode(name: string, text: string): Read<string> {
  if (text === '') return { reason: `the ${name} is missing` }
  if (text.length > 32) return { reason: `the ${name} is longer than 32 characters` }
  if (!/^[A-Za-z0-9](?: ?[\w.-])*$/.test(text))
    return { reason: `the ${name} ${quoted(text)} has characters no code has` }
  return { value: text }
}

/** Text that may hold anything printable. */
export function readText(name: string, text: string, maxLength: number): Read<string> {
  return text.length > maxLength ? { reason: `the ${name} is longer than ${maxLength} characters` } : { value: text }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
