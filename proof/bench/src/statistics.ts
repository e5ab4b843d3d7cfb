/** The value in the middle; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]
  if (upper === undefined) throw new RangeError('There is no median of nothing.')
  const lower = sorted[middle - 1]
  return sorted.length % 2 === 1 || lower === undefined ? upper : (lower + upper) / 2
}

/** The smallest value that `share` (0 to 1) of all values do not exceed: no interpolation, so a p99 is a value that was measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (value === undefined) throw new RangeError('There is no percentile of nothing.')
  return value
}

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}

/** The spread of round-by-round ratios: what disturbs a whole round disturbs both of its slices. */
export function ratiosOf(values: readonly number[], to: readonly number[]): Spread {
  if (values.length !== to.length) throw new RangeError(`${values.length} rounds cannot be compared with ${to.length}.`)
  if (to.includes(0))
    throw new RangeError(
      'Nothing can be compared with a slice in which nothing was done: take longer ones (--seconds).',
    )
  return spreadOf(values.map((value, round) => value / (to[round] ?? Number.NaN)))
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** How much y grows with each x: the line that fits best, by least squares. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = mean(points.map(([x]) => x))
  const meanY = mean(points.map(([, y]) => y))
  const together = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return together / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}
