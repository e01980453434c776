"""The echocardiogram of suspected incomplete Kawasaki disease (AHA 2017)."""

from __future__ import annotations

from app.clinical.criteria import Criteria
from app.clinical.evidence import Finding
from app.clinical.facts import Facts
from app.clinical.giant_aneurysm import GiantAneurysm
from app.clinical.rulebook import LoadedRuleSet


class KawasakiEcho:
    """Positive: a coronary Z-score or aneurysm by itself, or enough suggestive features."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        c = Criteria(rules)
        self._positive = c.combined("kd.echo", "echo", "any")
        self._lad = c.measured("kd.echo.lad", "echo.lad", "echocardiogram.lad_z")
        self._rca = c.measured("kd.echo.rca", "echo.rca", "echocardiogram.rca_z")
        self._aneurysm = c.stated("kd.echo.aneurysm", "echo.aneurysm", "echocardiogram.coronary_aneurysm")
        self._giant = GiantAneurysm(rules, "kd.echo")
        self._suggestive = c.at_least("kd.echo.suggestive", "echo.suggestive")
        self._weak = c.compact("kd.echo.lv", "echo.lv", "first_known")
        self._weak_stated = c.stated("kd.echo.lv.stated", "echo.lv_stated", "echocardiogram.ventricular_dysfunction")
        self._lvef = c.measured("kd.echo.lvef", "echo.lvef", "echocardiogram.lvef_percent")
        self._mitral = c.stated("kd.echo.mitral", "echo.mitral", "echocardiogram.mitral_regurgitation")
        self._effusion = c.stated("kd.echo.effusion", "echo.effusion", "echocardiogram.pericardial_effusion")
        self._wide = c.compact("kd.echo.z", "echo.z", "any")
        self._lad_wide = c.measured("kd.echo.z.lad", "echo.lad.suggestive", "echocardiogram.lad_z")
        self._rca_wide = c.measured("kd.echo.z.rca", "echo.rca.suggestive", "echocardiogram.rca_z")

    def judge(self, facts: Facts) -> Finding:
        """Judge one child."""
        echo = facts.echo
        return self._positive(
            self._lad.measured(echo.lad_z),
            self._rca.measured(echo.rca_z),
            self._aneurysm.stated(echo.coronary_aneurysm),
            *self._giant.proofs(facts),
            self._suggestive(
                self._weak(
                    self._weak_stated.stated(echo.ventricular_dysfunction), self._lvef.measured(echo.lvef_percent)
                ),
                self._mitral.stated(echo.mitral_regurgitation),
                self._effusion.stated(echo.pericardial_effusion),
                self._wide(self._lad_wide.measured(echo.lad_z), self._rca_wide.measured(echo.rca_z)),
            ),
        )
