"""The samplers, a family to a file, by the name that the table of samplers calls them."""

from __future__ import annotations

from garret.service_runtime.engine.plan import Solver
from garret.service_runtime.engine.solvers.dpm_multistep import dpmpp_2m, dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_3m_sde
from garret.service_runtime.engine.solvers.dpm_singlestep import dpmpp_2s_ancestral, dpmpp_sde
from garret.service_runtime.engine.solvers.euler import ddim, ddpm, euler, euler_ancestral, lcm
from garret.service_runtime.engine.solvers.linear_multistep import deis, lms, plms
from garret.service_runtime.engine.solvers.midpoints import dpm_2, dpm_2_ancestral, heun
from garret.service_runtime.engine.solvers.unipc import unipc

SOLVERS: dict[str, Solver] = {
    "euler": euler,
    "euler_ancestral": euler_ancestral,
    "ddim": ddim,
    "ddpm": ddpm,
    "lcm": lcm,
    "heun": heun,
    "dpm_2": dpm_2,
    "dpm_2_ancestral": dpm_2_ancestral,
    "dpmpp_2s_ancestral": dpmpp_2s_ancestral,
    "dpmpp_sde": dpmpp_sde,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "dpmpp_2m_sde_heun": dpmpp_2m_sde_heun,
    "dpmpp_3m_sde": dpmpp_3m_sde,
    "lms": lms,
    "plms": plms,
    "deis": deis,
    "unipc": unipc,
}
