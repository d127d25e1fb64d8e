/** CPU seconds of a side, by who used them. */
export type Cpu = Record<'gateway' | 'consumer' | 'postgres' | 'redis', number>

export function subtract(later: Cpu, earlier: Cpu): Cpu {
  return map(later, (seconds, name) => seconds - earlier[name])
}

export function perThousand(cpu: Cpu, done: number): Cpu {
  return map(cpu, (seconds) => (seconds * 1000) / done)
}

export function sum({ gateway, consumer, postgres, redis }: Cpu): number {
  return gateway + consumer + postgres + redis
}

function map(cpu: Cpu, change: (seconds: number, name: keyof Cpu) => number): Cpu {
  return {
    gateway: change(cpu.gateway, 'gateway'),
    consumer: change(cpu.consumer, 'consumer'),
    postgres: change(cpu.postgres, 'postgres'),
    redis: change(cpu.redis, 'redis')
  }
}
