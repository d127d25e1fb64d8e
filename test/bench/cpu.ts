/** CPU seconds of a side, by who used them. */
const PARTS = ['nginx', 'gateway', 'consumer', 'postgres', 'redis'] as const
export type Cpu = Record<(typeof PARTS)[number], number>

export function subtract(later: Cpu, earlier: Cpu): Cpu {
  return map(later, (seconds, name) => seconds - earlier[name])
}

export function perThousand(cpu: Cpu, done: number): Cpu {
  return map(cpu, (seconds) => (seconds * 1000) / done)
}

export function sum(cpu: Cpu): number {
  return PARTS.reduce((total, part) => total + cpu[part], 0)
}

function map(cpu: Cpu, change: (seconds: number, name: keyof Cpu) => number): Cpu {
  return {
    nginx: change(cpu.nginx, 'nginx'),
    gateway: change(cpu.gateway, 'gateway'),
    consumer: change(cpu.consumer, 'consumer'),
    postgres: change(cpu.postgres, 'postgres'),
    redis: change(cpu.redis, 'redis')
  }
}
