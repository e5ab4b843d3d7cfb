export { fromWhatIsKept } from './from-what-is-kept.ts'
export { transportAt, type TransportAtOptions, transportSchemes } from './transport-at.ts'
