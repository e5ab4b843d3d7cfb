/** 1234567 as `1,234,567`, the same on every machine. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Pence as pounds: `£1,234.56`. */
export function pounds(cents: number): string {
  const [sign, size] = cents < 0 ? ['-', -cents] : ['', cents]
  return `${sign}£${grouped(Math.floor(size / 100))}.${String(size % 100).padStart(2, '0')}`
}

/** Milliseconds, finer where they are few: `0.8 ms`, `12 ms`, `1,250 ms`. */
export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : grouped(value)} ms`
}

/** `8 s`, `1 min 5 s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/** `1 kill`, `3 kills`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`
}
