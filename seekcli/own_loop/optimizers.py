"""Any two optimizers of torch: whose they are, and their state, laid out on both sides so that it can be carried.

Most optimizers make the state of a parameter at its first step. A model that has not stepped yet has none, and what the
other one has learned about its gradients would be lost: what is missing on one side is made at the value that the
optimizer itself would start with, before a switch copies.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seekcli.errors import BadInput
from seekcli.method.pair import OptimizerState, Pair
from seekcli.method.roles import BASE, MOTIVATED, ROLES

LR = "lr"  # starts at the learning rate of the parameter's group
# Optimizers whose state is known, and what of it does not start at zero.
KNOWN: dict[str, dict[str, float | str]] = {
    **{name: {} for name in ("SGD", "Adam", "AdamW", "Adamax", "RAdam", "RMSprop", "Adadelta", "Adagrad")},
    **{name: {} for name in ("Adafactor", "Muon")},
    "NAdam": {"mu_product": 1.0},
    "RMSpropTF": {"square_avg": 1.0},
    "Rprop": {"step_size": LR},
    "ASGD": {"eta": LR, "mu": 1.0},
}


class LaidOutState:
    """The optimizer state of both models by parameter name, complete for all that is linked."""

    def __init__(
        self,
        pair: Pair,
        optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
        initial_state: Mapping[str, float] | None = None,
    ) -> None:
        """Raises BadInput for optimizers that are swapped, of two kinds, of other parameters, or not known."""
        self.pair = pair
        self.optimizers = dict(zip(ROLES, optimizers, strict=True))
        require_no_state_in_groups(self.optimizers)
        self.initial = self._initial(initial_state)
        models = {BASE: pair.base, MOTIVATED: pair.motivated}
        self.parameters = {role: dict(model.named_parameters()) for role, model in models.items()}
        require_own(models, self.optimizers)
        self.linked = self._linked_parameters()

    def _initial(self, given: Mapping[str, float] | None) -> Mapping[str, float | str]:
        kinds = {role: type(optimizer) for role, optimizer in self.optimizers.items()}
        if kinds[BASE] is not kinds[MOTIVATED]:
            names = f"{kinds[BASE].__name__} for the base and {kinds[MOTIVATED].__name__} for the motivated model"
            raise BadInput(f"optimizers: {names}: state is carried between two of one kind")
        bases = [kind.__name__ for kind in kinds[BASE].__mro__]
        known = next((KNOWN[name] for name in bases if name in KNOWN), None)
        if given is None and known is None:
            raise BadInput(
                f"optimizers: what a {bases[0]} starts its state with is not known: initial_state={{}} says that all "
                "of it is zero, initial_state={'square_avg': 1.0} what is not"
            )
        return {**(known or {}), **(given or {})}

    def _linked_parameters(self) -> dict[tuple[str, str], bool]:
        """(base parameter, motivated parameter) -> whether one is the whole of the other.

        Raises BadInput where one of the two has an optimizer and the other has none.
        """
        shapes = self.pair.weights_map.base_shapes, self.pair.weights_map.motivated_shapes
        held = {role: {id(p) for g in one.param_groups for p in g["params"]} for role, one in self.optimizers.items()}
        linked = {}
        for link in self.pair.weights_map.links:
            if link.base not in self.parameters[BASE]:
                continue
            names = {BASE: link.base, MOTIVATED: link.motivated}
            trained = {role: id(self.parameters[role][name]) in held[role] for role, name in names.items()}
            if trained[BASE] != trained[MOTIVATED]:
                role = MOTIVATED if trained[BASE] else BASE
                raise BadInput(
                    f"optimizers: that of the {role} model does not have {names[role]}, and the other one does"
                )
            linked[link.base, link.motivated] = shapes[0][link.base] == shapes[1][link.motivated]
        return linked

    def tensors(self) -> dict[str, OptimizerState]:
        """By role: the state tensors of what is linked, made first where one side lacks them.

        Raises BadInput, naming the key, for state that follows no region.
        """
        found: dict[str, dict[str, dict[str, Tensor]]] = {BASE: {}, MOTIVATED: {}}
        for names, whole in self.linked.items():
            name_of = dict(zip(ROLES, names, strict=True))
            parameters = {role: self.parameters[role][name] for role, name in name_of.items()}
            self._complete(BASE, MOTIVATED, parameters, name_of, whole)
            self._complete(MOTIVATED, BASE, parameters, name_of, whole)
            for role, name in name_of.items():
                state = self.optimizers[role].state[parameters[role]]
                found[role][name] = {key: value for key, value in state.items() if value is not None}
        return dict(found)

    def _complete(
        self, role: str, other: str, parameters: Mapping[str, Tensor], name_of: Mapping[str, str], whole: bool
    ) -> None:
        """Give the parameter of this role the state that the other one has and it lacks."""
        own, of = parameters[role], parameters[other]
        state = self.optimizers[role].state[own]
        for key, value in self.optimizers[other].state[of].items():
            if value is None:
                continue
            self._check(key, value, of, name_of[other], whole)
            if state.get(key) is None:
                state[key] = self._start(role, key, value, of, own)

    def _check(self, key: str, value: object, parameter: Tensor, name: str, whole: bool) -> None:
        kind = type(self.optimizers[BASE]).__name__
        if not isinstance(value, Tensor):
            raise BadInput(f"{kind} keeps {key} of {name} as a {type(value).__name__}, not as a tensor: not carried")
        if value.dim() and value.shape != parameter.shape and not whole:
            shapes = f"{key} of {name} as {tuple(value.shape)}, and the parameter is {tuple(parameter.shape)}"
            raise BadInput(f"{kind} keeps {shapes}: it follows no slice of it; this pair needs another optimizer")

    def _start(self, role: str, key: str, value: Tensor, of: Tensor, parameter: Tensor) -> Tensor:
        initial = self.initial.get(key, 0.0)
        if isinstance(initial, str):
            groups = [(group, group["params"]) for group in self.optimizers[role].param_groups]
            initial = next(float(group[initial]) for group, held in groups if any(one is parameter for one in held))
        if value.shape == of.shape and value.dim():
            return torch.full_like(parameter, initial, dtype=value.dtype, requires_grad=False).detach()
        return torch.full_like(value, initial)


def require_own(models: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    """Raise BadInput unless each optimizer has parameters of its own model alone."""
    own = {role: {id(parameter) for parameter in model.parameters()} for role, model in models.items()}
    for role, optimizer in optimizers.items():
        other = MOTIVATED if role == BASE else BASE
        held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
        if all(one in own[other] for one in held):
            raise BadInput("optimizers are swapped: give (that of the base, that of the motivated model)")
        if any(one not in own[role] for one in held):
            raise BadInput(f"optimizers: that of the {role} model has parameters that the {role} model does not have")


def require_no_state_in_groups(optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    """timm's LAMB counts its steps by parameter group; LBFGS keeps all it knows with one parameter."""
    for optimizer in optimizers.values():
        kind = type(optimizer).__name__
        if kind == "LBFGS" or any("step" in group for group in optimizer.param_groups):
            raise BadInput(f"optimizers: {kind} keeps state that belongs to no single parameter, and cannot be carried")
