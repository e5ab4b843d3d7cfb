import { InvalidArgumentError } from 'commander'

/** A count. */
export function wholeNumber(text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= 1) return number
  throw new InvalidArgumentError('It must be a whole number of at least 1.')
}

/** A moment, with its date and time. */
export function moment(text: string): Date {
  const date = new Date(text)
  if (!Number.isNaN(date.getTime()) && /^\d{4}-\d\d-\d\dT/.test(text)) return date
  throw new InvalidArgumentError('It must be a moment like 2026-01-31T12:00:00Z.')
}
